"""Heads of a learned query against torch's own attention, closed forms, and what their papers count."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from video_adapters.model.heads.attentive import AttentiveHead
from video_adapters.model.heads.map import MapHead
from video_adapters.model.heads.query_head import QueryHead, attend, num_heads, sincos

from helpers.features import like_real_ones
from helpers.networks import randomise
from helpers.rounding import BLOCK, assert_rounded

D, C, T, N = 128, 5, 3, 4  # two attention heads of 64
HEADS: list[Any] = [MapHead, AttentiveHead]


def made(head: type[Any], **settings: Any) -> Any:
    """A head of two attention heads whose weights are random everywhere, biases and norms too."""
    built = head(D, C, T, **settings).eval()
    randomise(built)
    return built


def features(*shape: int) -> Tensor:
    return torch.randn(2, *shape, generator=torch.Generator().manual_seed(3))


def torchs(q: nn.Linear, kv: nn.Linear, proj: nn.Linear | None = None) -> nn.MultiheadAttention:
    """torch's attention with the weights of ours; without a projection its own is the identity."""
    attention = nn.MultiheadAttention(D, num_heads(D), batch_first=True)
    with torch.no_grad():
        attention.in_proj_weight.copy_(torch.cat((q.weight, kv.weight)))
        attention.in_proj_bias.copy_(torch.cat((q.bias, kv.bias)))
        attention.out_proj.weight.copy_(torch.eye(D) if proj is None else proj.weight)
        attention.out_proj.bias.copy_(torch.zeros(D) if proj is None else proj.bias)
    return attention


def placed(head: QueryHead, x: Tensor) -> Tensor:
    """Features and the positions of their frames, tokens side by side: (B, T, ..., D) -> (B, T*N, D)."""
    x = x if x.dim() == 4 else x[:, :, None]
    return (x + sincos(T, D).view(1, T, 1, D)).flatten(1, 2)


@pytest.mark.parametrize(("reads", "shape"), [("frames", (T, D)), ("tokens", (T, N, D))])
@torch.no_grad()
def test_a_map_head_is_one_layer_of_torchs_attention(reads: str, shape: tuple[int, ...]) -> None:
    head, x = made(MapHead, reads=reads, standardise=False), features(*shape)
    given = placed(head, x)
    h, _ = torchs(head.q, head.kv, head.proj)(head.query.expand(2, 1, D), given, given)
    up, _, down = head.mlp
    normed = h / (h.square().mean(-1, keepdim=True) + 1e-6).sqrt() * head.norm.weight
    h = (h + down(F.gelu(up(normed))))[:, 0]
    assert_rounded(head(x), head.linear(head.last_norm(h)), BLOCK)


@pytest.mark.parametrize(("reads", "shape"), [("frames", (T, D)), ("tokens", (T, N, D))])
@torch.no_grad()
def test_an_attentive_head_is_torchs_layers_and_a_query_that_is_not_projected(
    reads: str, shape: tuple[int, ...]
) -> None:
    """torch's own transformer layer, norms first, is one of the blocks."""
    head, x = made(AttentiveHead, reads=reads, standardise=False, depth=2), features(*shape)
    given = placed(head, x)
    for block in head.blocks:
        layer = nn.TransformerEncoderLayer(D, num_heads(D), 4 * D, 0.0, "gelu", batch_first=True, norm_first=True)
        ours = {"linear1": block.mlp[0], "linear2": block.mlp[2], "norm1": block.norm1, "norm2": block.norm2}
        for name, module in ours.items():
            getattr(layer, name).load_state_dict(module.state_dict())
        attention: Any = layer.self_attn
        attention.in_proj_weight, attention.in_proj_bias = block.qkv.weight, block.qkv.bias
        attention.out_proj.load_state_dict(block.proj.state_dict())
        given = layer.train()(given)
    last, z = head.last, head.last.norm1(given)
    query = head.query.expand(2, 1, D)
    query = query + torchs(last.q, last.kv)(query, z, z)[0]
    query = query + last.mlp(last.norm2(query))
    assert_rounded(head(x), head.linear(query[:, 0]), 3 * BLOCK)


@pytest.mark.parametrize(("head", "millions", "exact"), [(MapHead, 7.2, 12), (AttentiveHead, 27.9, 47)])
def test_a_heads_size_is_the_published_one(head: type[Any], millions: float, exact: int) -> None:
    """At D 768 and SSv2's 174 classes; so many D^2 are matrices, the rest are vectors and the classifier."""
    with torch.device("meta"):
        built = head(768, 174, 8)
    total = sum(p.numel() for p in built.parameters())
    assert round(total / 1e6, 1) == millions
    matrices = [p for p in built.parameters() if p.dim() == 2 and 174 not in p.shape]
    assert sum(p.numel() for p in matrices) == exact * 768**2
    assert built.num_heads == 12


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("positions", ["sincos", "learned"])
@torch.no_grad()
def test_order_shows_by_the_positions_of_frames_alone(head: type[Any], positions: str) -> None:
    built, x = made(head, positions=positions), features(T, D)
    assert (built(x) - built(x.flip(1))).abs().max() > 1e-3
    built.positions.zero_()
    assert_rounded(built(x.flip(1)), built(x), 4 * BLOCK)


@pytest.mark.parametrize("head", HEADS)
@torch.no_grad()
def test_features_like_real_ones_are_told_apart(head: type[Any]) -> None:
    """Mean 20, spread 0.003: by a query that sees them standardised; positions alone would be all that it sees."""
    built = made(head)
    clips = like_real_ones(64 * T, D).view(64, T, D)
    built(clips, torch.full((64,), 1 / 64))
    built.end_step(lambda own: own[None])
    scores = built(clips)
    assert scores.std(0).min() > 0.05 * built(clips[:1]).std()
    with torch.autocast("cpu", torch.bfloat16):
        half = built(clips)
    assert half.dtype == torch.float32
    assert (half - scores).abs().mean() < 0.05 * scores.std(0).mean()
    plain = made(head, standardise=False)
    with torch.autocast("cpu", torch.bfloat16):
        half = plain(clips)
    assert torch.equal(half, plain(clips))


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(("reads", "shape"), [("frames", (T, D)), ("tokens", (T, N, D))])
def test_all_that_trains_gets_a_gradient_and_nothing_but_weights_is_kept(
    head: type[Any], reads: str, shape: tuple[int, ...]
) -> None:
    built = head(D, C, T, reads=reads, positions="learned").train()
    built(features(*shape), torch.full((2,), 0.5)).square().sum().backward()
    assert [name for name, p in built.named_parameters() if p.grad is None] == []
    assert {id(p) for p in built.embeddings()} == {id(built.query), id(built.positions)}
    assert "positions" not in head(D, C, T).state_dict()


def test_weights_start_as_published() -> None:
    """Spreads are those of a normal cut at 2, so far above it that the cut takes nothing; biases are 0."""
    torch.manual_seed(0)
    head = AttentiveHead(256, C, T)
    for i, block in enumerate(head.blocks, start=1):
        for layer, spread in ((block.qkv, 0.02), (block.proj, 0.02 / math.sqrt(2 * i))):
            assert layer.weight.std().item() == pytest.approx(spread, rel=0.02)
        assert block.mlp[2].weight.std().item() == pytest.approx(0.02 / math.sqrt(2 * i), rel=0.02)
    assert head.last.mlp[2].weight.std().item() == pytest.approx(0.02 / math.sqrt(6), rel=0.02)
    assert head.query.std().item() == pytest.approx(0.02, rel=0.2)  # of 256 draws
    first = MapHead(256, C, T)
    assert 0 < first.linear.weight.abs().max() <= 1e-3 / math.sqrt(256)  # torch's uniform start, a thousandth of it
    assert not any(m.bias.any() for m in head.modules() if isinstance(m, nn.Linear))


def test_positions_are_sines_of_wavelengths_from_two_pi() -> None:
    table = sincos(4, 6)
    expected = [[f(t / 1e4 ** (2 * i / 6)) for f in (math.sin, math.cos) for i in range(3)] for t in range(4)]
    torch.testing.assert_close(table, torch.tensor(expected))
    assert sincos(4, 5).shape == (4, 5)


@pytest.mark.parametrize(("width", "heads"), [(768, 12), (1024, 16), (384, 6), (32, 1), (80, 1), (1440, 20)])
def test_attention_heads_have_64_channels_or_the_next_more_that_divide_the_width(width: int, heads: int) -> None:
    assert num_heads(width) == heads
    assert attend(*(torch.zeros(1, 2, width),) * 3, heads).shape == (1, 2, width)


def test_many_heads_run_as_one() -> None:
    """Probes of many rates are trained together: weights stacked, features shared."""
    heads = [made(MapHead).eval() for _ in range(3)]
    weights, buffers = torch.func.stack_module_state(heads)
    x = features(T, D)
    with sdpa_kernel(SDPBackend.MATH):  # the CPU's fused kernel runs them one by one
        together = torch.vmap(lambda w, b: torch.func.functional_call(heads[0], (w, b), (x,)))(weights, buffers)
    assert_rounded(together, torch.stack([head(x) for head in heads]), BLOCK)


@pytest.mark.parametrize("head", HEADS)
def test_other_words_are_refused(head: type[Any]) -> None:
    with pytest.raises(ValueError, match=r"head.reads is patches, expected frames or tokens"):
        head(D, C, T, reads="patches")
    with pytest.raises(ValueError, match=r"head.positions is rope, expected sincos or learned"):
        head(D, C, T, positions="rope")
    odd: list[Any] = [-1, 1.5]
    for depth in odd:
        with pytest.raises(ValueError, match=rf"head.depth is {depth}, expected at least 0"):
            AttentiveHead(D, C, T, depth=depth)
