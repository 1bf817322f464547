"""The adapter's product against autograd's own, and what it keeps."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from video_adapters.model.adapters.aim import Aim, AimBlock
from video_adapters.model.adapters.bottleneck import ACTIVATIONS, bottleneck
from video_adapters.model.encoders.pretrained import open_up

from helpers.networks import BUILDS, clip_vit, executions, network, randomise

D, K = 8, 3


def tensors(dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = ((2, 5, D), (K, D), (K,), (D, K), (D,))
    return [torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for shape in shapes]


def kept_by(run: Callable[[], Tensor], known: list[Tensor]) -> int:
    """Numbers that autograd keeps beyond those of the tensors known."""
    here = {tensor.untyped_storage().data_ptr() for tensor in known}
    found: dict[int, int] = {}

    def pack(saved: Tensor) -> Tensor:
        storage = saved.untyped_storage()
        if storage.data_ptr() not in here:
            found[storage.data_ptr()] = storage.nbytes() // saved.element_size()
        return saved

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved):
        result = run()
    assert result.requires_grad
    return sum(found.values())


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_its_gradients_are_those_of_two_linear_layers_around_an_activation(activation: str) -> None:
    assert torch.autograd.gradcheck(lambda *given: bottleneck(*given, activation=activation), tensors())


def test_an_input_made_again_gives_the_same_gradients() -> None:
    norm = nn.LayerNorm(D, dtype=torch.float64)
    randomise(norm)
    source, *weights = tensors()

    def remade(source: Tensor, *weights: Tensor) -> Tensor:
        return bottleneck(norm(source), *weights, source, norm)

    assert torch.autograd.gradcheck(remade, (source, *weights))


def test_what_gelu_is_given_is_all_that_is_kept_where_the_input_is_made_again() -> None:
    norm = nn.LayerNorm(D)
    source, *weights = tensors(torch.float32)
    z = norm(source)
    assert kept_by(lambda: bottleneck(z, *weights), [*weights, z]) == 2 * 5 * K
    assert kept_by(lambda: bottleneck(z, *weights, source, norm), [*weights, source]) == 2 * 5 * K


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_in_mixed_precision_it_is_what_autograd_makes_of_it(precision: torch.dtype, activation: str) -> None:
    x, down, down_bias, up, up_bias = given = tensors(torch.float32)
    results, act = [], {"gelu": F.gelu, "relu": F.relu}[activation]
    ours = partial(bottleneck, activation=activation)
    for run in (ours, lambda *_: F.linear(act(F.linear(x, down, down_bias)), up, up_bias)):
        with torch.autocast("cpu", precision):
            y = run(*given)
        results.append([y, *torch.autograd.grad(y.float().square().sum(), given)])
    assert results[0][0].dtype == precision
    for one, theirs in zip(*results, strict=True):
        assert one.dtype == theirs.dtype
        assert (one - theirs).abs().max() <= 4 * torch.finfo(precision).eps * theirs.abs().max()


@pytest.mark.parametrize("build", ["open_clip", "timm"])
def test_a_block_keeps_what_the_equation_needs_and_nothing_else(build: str) -> None:
    """In units of one tensor of tokens: 3 inputs of norms, q k v and the answer of 2 attentions, 4 for the MLP; of each
    adapter what its GELU is given. Beside these the two composed layers, and a few numbers per token and head."""
    times = 3
    encoder = open_up(network(BUILDS[build]))
    for parts in encoder.blocks:
        parts.requires_grad_(False)
    block: AimBlock = Aim(drop_path=0.0).adapt(encoder, executions(times)).blocks[1]  # type: ignore[assignment]
    width, num_heads = block.parts.width, block.parts.num_heads
    x = torch.randn(2 * times, 5, width, requires_grad=True)
    hidden, rows = width // 4, 2 * times * 5
    tokens = (3 + 2 * 4 + 4) * rows * width + 3 * rows * hidden
    composed = 2 * hidden * width
    statistics = 3 * 2 * rows + 2 * num_heads * rows  # mean and deviation of each norm; the log of each softmax's sum
    known = [*block.parameters()]
    assert kept_by(lambda: block(x), known) == tokens + composed + statistics


def test_quick_gelu_and_gelu_keep_the_same() -> None:
    kept = []
    for name in ("ViT-B-16", "ViT-B-16-quickgelu"):
        parts = open_up(network(clip_vit(name))).blocks[0].requires_grad_(False)
        x = torch.randn(2, 5, parts.width, requires_grad=True)
        kept.append(kept_by(lambda x=x, parts=parts: parts.mlp(x), list(parts.parameters())))
    assert kept == [2 * 5 * 4 * 64] * 2
