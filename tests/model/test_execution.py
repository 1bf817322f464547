"""Settings that change what is kept, and not what is learned."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache, partial
from itertools import combinations
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from video_adapters.model.adapters.aim import Aim
from video_adapters.model.adapters.timesformer import TimeSformer
from video_adapters.model.adapters.video_swin import VideoSwin
from video_adapters.model.backbone import Backbone
from video_adapters.model.classifier import VideoClassifier
from video_adapters.model.encoders.pretrained import fingerprint, open_up
from video_adapters.model.execution import Memory, cast_frozen, compile_blocks
from video_adapters.model.heads.mean import MeanHead

from helpers.networks import BUILDS, DEPTH, clip_vit, clips, network, randomise
from helpers.rounding import BLOCK, assert_rounded

T, CLASSES = 4, 3

FAMILIES = ("timm", "open_clip", "timm Swin", pytest.param("timm EVA-02", marks=pytest.mark.slow))
SLOW_TO_COMPILE = [pytest.param(name, marks=pytest.mark.slow) for name in ("timm", "timm Swin", "timm DINOv3")]

METHODS = {
    "AIM": Aim(temporal_in="all", drop_path=0.3),
    "TimeSformer": TimeSformer(drop_path=0.3),
    "Video Swin": VideoSwin(window=2, drop_path=0.3),
}

OPTIONS: dict[str, dict[str, Any]] = {
    "blocks": {"checkpoint_blocks": 2},
    "nested": {"checkpoint_blocks": DEPTH, "checkpoint_nested": True},
    "offload": {"checkpoint_blocks": DEPTH, "offload": True},
    "mlp": {"recompute_mlp": True},
    "dead work": {"skip_dead_work": False},
}
HALVED = [
    pytest.param(name, option, marks=[] if name == "open_clip" or option is None else pytest.mark.slow)
    for name in ("timm", "open_clip", "timm Swin", "timm EVA-02")
    for option in (None, *OPTIONS)
]
"""In half precision by default: each option with one family, each family without; in fp32 all with all."""
PAIRS = {f"{a} and {b}": OPTIONS[a] | OPTIONS[b] for a, b in combinations(OPTIONS, 2)}


# the compiler asks what enters a block for its gradient, which only leaves have
quiet = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf Tensor")


@cache
def untrained(name: str) -> nn.Module:
    return network(BUILDS[name])


def model(name: str, method: str = "AIM", memory: Memory = Memory()) -> VideoClassifier:  # noqa: B008 (frozen)
    net = deepcopy(untrained(name))
    torch.manual_seed(0)
    backbone = Backbone(open_up(net), METHODS[method], T, memory=memory)
    classifier = VideoClassifier(backbone, MeanHead(backbone.width, CLASSES, dropout=0.0)).train()
    randomise(classifier, scale=0.05)
    return classifier


def losses(classifier: VideoClassifier, half: torch.dtype | None = None) -> Tensor:
    """Of three steps on the same clips, with the same draws of drop path."""
    torch.manual_seed(1)
    optimizer = torch.optim.AdamW(classifier.trainable().values(), lr=6e-3)
    given, labels = clips(), torch.tensor([0, 2])
    seen = []
    for _ in range(3):
        with torch.autocast("cpu", half, enabled=half is not None):
            logits = classifier(given)
        loss = F.cross_entropy(logits.float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append(loss.detach())
    assert seen[-1] < 0.9 * seen[0]  # it learns
    return torch.stack(seen)


@cache
def plain_losses(name: str, method: str = "AIM", half: torch.dtype | None = None) -> Tensor:
    return losses(model(name, method), half)


def assert_same(ours: Tensor, expected: Tensor, options: dict[str, Any]) -> None:
    """To the bit, but where the last block sums in another order: over all tokens, not those alone that are read."""
    assert_rounded(ours, expected, BLOCK if "skip_dead_work" in options else 0)


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("name", FAMILIES)
def test_every_option_learns_the_same(name: str, option: str) -> None:
    ours = losses(model(name, memory=Memory(**OPTIONS[option])))
    assert_same(ours, plain_losses(name), OPTIONS[option])


@pytest.mark.parametrize("pair", PAIRS)
def test_so_does_every_pair(pair: str) -> None:
    ours = losses(model("open_clip", memory=Memory(**PAIRS[pair])))
    assert_same(ours, plain_losses("open_clip"), PAIRS[pair])


@pytest.mark.parametrize(("name", "method"), [("timm", "TimeSformer"), ("timm Swin", "Video Swin")])
@pytest.mark.parametrize("option", ["nested", "mlp"])
def test_so_do_the_rivals(name: str, method: str, option: str) -> None:
    ours = losses(model(name, method, Memory(**OPTIONS[option])))
    assert_same(ours, plain_losses(name, method), OPTIONS[option])


@pytest.mark.parametrize(("name", "option"), HALVED)
def test_frozen_weights_in_half_precision_learn_the_same_under_amp(name: str, option: str | None) -> None:
    """To the bit, where attention's and adapter's layers are no more composed: there to one rounding."""
    lean = model(name, memory=Memory(**OPTIONS[option]) if option else Memory())
    cast_frozen(lean, torch.bfloat16)
    assert_rounded(losses(lean, torch.bfloat16), plain_losses(name, half=torch.bfloat16), 1, torch.bfloat16)


@pytest.mark.parametrize(("name", "option"), HALVED)
def test_a_residual_stream_in_half_precision_learns_nearly_the_same(name: str, option: str | None) -> None:
    """Every block rounds its stream once; what is rounded within it is a part of that."""
    memory = Memory(residual_dtype="auto", **(OPTIONS[option] if option else {}))
    ours = losses(model(name, memory=memory), torch.bfloat16)
    assert_rounded(ours, plain_losses(name), DEPTH, torch.bfloat16)


@pytest.mark.parametrize("name", FAMILIES)
def test_so_do_frozen_weights_and_residual_stream_together(name: str) -> None:
    lean = model(name, memory=Memory(residual_dtype="auto"))
    cast_frozen(lean, torch.bfloat16)
    assert_rounded(losses(lean, torch.bfloat16), plain_losses(name), DEPTH, torch.bfloat16)


@pytest.mark.parametrize("name", FAMILIES)
def test_without_amp_the_residual_stream_stays_as_it_is(name: str) -> None:
    assert torch.equal(losses(model(name, memory=Memory(residual_dtype="auto"))), plain_losses(name))


def test_a_half_precision_stream_is_half_precision_in_every_block() -> None:
    backbone = model("open_clip", memory=Memory(residual_dtype="auto")).backbone
    seen: list[torch.dtype] = []
    for block in backbone.blocks:
        block.register_forward_hook(lambda block, args, output: seen.extend((args[0].dtype, output.dtype)))
    with torch.autocast("cpu", torch.bfloat16):
        assert backbone.features(clips()).dtype == torch.float32
    assert set(seen) == {torch.bfloat16}


def test_only_frozen_weights_of_products_are_held_in_half_precision() -> None:
    classifier = model("open_clip")
    before = {name: p.detach().clone() for name, p in classifier.named_parameters()}
    cast_frozen(classifier, torch.float16)
    halves = {name for name, p in classifier.named_parameters() if p.dtype == torch.float16}
    assert halves.isdisjoint(classifier.trainable())
    layers = ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias", "c_fc.weight", "c_fc.bias")
    layers += ("c_proj.weight", "c_proj.bias")
    block = "parts.block"
    names = {f"attn.{name}" if "proj" in name and "c_" not in name else f"mlp.{name}" for name in layers}
    expected = {f"backbone.blocks.{i}.{block}.{name}" for i in range(DEPTH) for name in names}
    assert halves == expected | {"backbone.encoder.net.conv1.weight"}
    for name, parameter in classifier.named_parameters():
        assert torch.equal(parameter.float(), before[name].half().float() if name in halves else before[name])


def test_the_fingerprint_is_that_of_the_weights_as_loaded() -> None:
    net = network(clip_vit())
    expected = fingerprint(net)
    backbone = Backbone(open_up(net), Aim(), T)
    cast_frozen(backbone, torch.float16)
    assert backbone.encoder.fingerprint == expected


def kept(run: Callable[[], Tensor], known: nn.Module) -> list[Tensor]:
    """Tensors that autograd keeps beyond the parameters, each storage once."""
    here = {p.untyped_storage().data_ptr() for p in known.parameters()}
    found: dict[int, Tensor] = {}

    def pack(saved: Tensor) -> Tensor:
        if saved.untyped_storage().data_ptr() not in here:
            found[saved.untyped_storage().data_ptr()] = saved
        return saved

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved):
        run()
    return list(found.values())


@pytest.mark.parametrize(("nested", "inputs"), [(False, 5), (True, 2)])
def test_recomputed_blocks_keep_their_inputs_and_nested_ones_every_other(nested: bool, inputs: int) -> None:
    """Of 5 blocks, nested ones go in segments of ceil(sqrt(5)) = 3 and 2."""
    net = network(clip_vit(layers=5))
    backbone = Backbone(open_up(net), Aim(), T, memory=Memory(checkpoint_blocks=5, checkpoint_nested=nested))
    tokens = (2 * T, 5, 64)
    found = kept(lambda: backbone.train().tokens(clips()), backbone)
    assert sum(tuple(tensor.shape) == tokens for tensor in found) == inputs + 1  # and the input of the norm ahead
    assert not any(tuple(tensor.shape) == (2 * T, 5, 4 * 64) for tensor in found)


def test_the_hidden_layer_is_not_kept_where_it_is_recomputed() -> None:
    def numbers(recompute_mlp: bool) -> int:
        backbone = Backbone(open_up(network(clip_vit())), Aim(), T, memory=Memory(recompute_mlp=recompute_mlp))
        block: Any = backbone.blocks[0]
        x = torch.randn(2 * T, 5, 64, requires_grad=True)
        return sum(tensor.numel() for tensor in kept(lambda: block(x), block))

    hidden, statistics = 4 * 64 + 16, 2  # of the MLP and of its adapter; mean and deviation of the norm
    assert numbers(False) - numbers(True) == 2 * T * 5 * (hidden + statistics)


def test_offloaded_inputs_wait_in_the_hosts_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[Tensor] = []

    class Watched(torch.autograd.graph.saved_tensors_hooks):
        def __init__(self, pin_memory: bool) -> None:
            super().__init__(lambda saved: moved.append(saved) or saved, lambda saved: saved)

    monkeypatch.setattr(torch.autograd.graph, "save_on_cpu", Watched)
    backbone = model("open_clip", memory=Memory(checkpoint_blocks=2, offload=True)).backbone
    inputs: list[Tensor] = []
    for block in backbone.blocks[:2]:
        block.register_forward_pre_hook(lambda block, args: inputs.append(args[0]))
    backbone.tokens(clips())
    assert [x.data_ptr() for x in moved if x.is_floating_point() and x.numel()] == [x.data_ptr() for x in inputs]


@quiet
@pytest.mark.usefixtures("nothing_compiled")
@pytest.mark.parametrize(
    ("name", "backend"),
    [
        ("open_clip", "eager"),
        pytest.param("open_clip", "aot_eager", marks=pytest.mark.slow),
        pytest.param("timm", "aot_eager", marks=pytest.mark.slow),
    ],
)
def test_a_compiled_block_is_one_graph_with_the_same_gradients_under_the_same_names(name: str, backend: str) -> None:
    """By the compiler's front, which is what may break a graph; what it generates is tested below."""
    block: Any = model(name).backbone.blocks[0].eval()
    block.drop_path.rate = 0.0
    side = (8, 8) if "Swin" in name else (5,)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(T, *side, block.parts.width, generator=generator, requires_grad=True)
    trained = [x, *(p for p in block.parameters() if p.requires_grad)]
    plain = torch.autograd.grad(block(x).square().sum(), trained)
    names = list(block.state_dict())
    compile_blocks(nn.ModuleList([block]), backend=backend)
    for ours, expected in zip(torch.autograd.grad(block(x).square().sum(), trained), plain, strict=True):
        assert_rounded(ours, expected, 2 * BLOCK)
    assert list(block.state_dict()) == names


@pytest.fixture
def nothing_compiled() -> Iterator[None]:
    """What other tests had compiled counts for nothing, and what this one has for no other."""
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@quiet
@pytest.mark.slow
@pytest.mark.usefixtures("nothing_compiled")
def test_more_blocks_than_the_compiler_would_specialise_by_itself_are_compiled() -> None:
    blocks = [deepcopy(model("timm").backbone.blocks[0]) for _ in range(10)]
    for number, block in enumerate(blocks):
        block.drop_path.rate = number / 20
    compile_blocks(nn.ModuleList(blocks), backend="eager")
    x = torch.randn(T, 5, blocks[0].parts.width)
    for block in blocks:
        x = block.train()(x)


@quiet
@pytest.mark.slow
@pytest.mark.usefixtures("nothing_compiled")
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("half", [None, torch.bfloat16])
def test_compiled_blocks_learn_the_same_with_every_other_option(option: str, half: torch.dtype | None) -> None:
    """By the compiler's front; in half precision frozen weights and residual stream are held in it, too."""
    compiled = model("open_clip", memory=Memory(residual_dtype="auto" if half else None, **OPTIONS[option]))
    cast_frozen(compiled, half)
    compile_blocks(compiled.backbone.blocks, backend="aot_eager")
    assert_rounded(losses(compiled, half), plain_losses("open_clip"), DEPTH if half else DEPTH * BLOCK, half)


@quiet
@pytest.mark.slow
@pytest.mark.usefixtures("nothing_compiled")
@pytest.mark.parametrize("name", ["timm", "open_clip"])  # the compiler takes minutes for Swin's windows
def test_blocks_compiled_to_machine_code_learn_the_same(name: str) -> None:
    compiled = model(name)
    compile_blocks(compiled.backbone.blocks)
    assert_rounded(losses(compiled), plain_losses(name), DEPTH * BLOCK)


@pytest.mark.gpu
@pytest.mark.parametrize("residual", [None, "auto"])
@pytest.mark.parametrize("option", [None, *OPTIONS])
@pytest.mark.parametrize("name", FAMILIES)
def test_on_a_gpu_in_fp16_every_option_learns_the_same(name: str, option: str | None, residual: str | None) -> None:
    memory = Memory(residual_dtype=residual, **(OPTIONS[option] if option else {}))
    lean, full = model(name, memory=memory).cuda(), model(name).cuda()
    cast_frozen(lean, torch.float16)
    torch.manual_seed(1)  # of drop path
    with torch.autocast("cuda", torch.float16):
        ours = lean(clips().cuda())
    ours.float().square().mean().backward()
    torch.manual_seed(1)
    expected = full(clips().cuda())
    expected.square().mean().backward()
    torch.testing.assert_close(ours.float(), expected, atol=0.02, rtol=0.02)
    for place, parameter in full.trainable().items():
        plain, half = parameter.grad, lean.trainable()[place].grad
        assert plain is not None
        assert half is not None
        assert (half - plain).norm() <= 0.1 * plain.norm() + 1e-4, place


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"checkpoint_blocks": -1}, r"memory.checkpoint_blocks is -1, expected at least 0"),
        ({"offload": True}, r"memory.offload=true is about recomputed blocks: set memory.checkpoint_blocks too"),
        ({"checkpoint_nested": True}, r"memory.checkpoint_nested=true is about recomputed blocks"),
        ({"frozen_dtype": "half"}, r"memory.frozen_dtype is half, expected auto, float16, bfloat16 or null"),
        ({"residual_dtype": "float32"}, r"memory.residual_dtype is float32, expected auto"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Memory(**wrong)


def test_segments_cover_the_recomputed_blocks_in_order() -> None:
    segments = partial(Memory(checkpoint_blocks=12, checkpoint_nested=True).segments, 12)
    assert [list(segment) for segment in segments()] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert Memory(checkpoint_blocks=2).segments(12) == [range(1), range(1, 2)]
    assert Memory().segments(12) == []
