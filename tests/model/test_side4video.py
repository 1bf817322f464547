"""Side4Video against its equation, beside encoders that it must leave as they are."""

import weakref
from copy import deepcopy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from video_adapters.model.adapters.side4video import Side4Video, SideLayer
from video_adapters.model.adapters.st_adapter import StAdapter
from video_adapters.model.backbone import Backbone
from video_adapters.model.encoders.pretrained import open_up
from video_adapters.model.execution import Memory, compile_blocks

from helpers.networks import BUILDS, DEPTH, clips, network, randomise
from helpers.rounding import BLOCK, assert_rounded

T, WIDTH = 4, 16
SIDE = Side4Video(width=WIDTH, num_heads=2)
VITS = [build for build in BUILDS if "Swin" not in build]


def beside(build: str, memory: Memory = Memory(), **how: Any) -> Backbone:  # noqa: B008 (frozen)
    torch.manual_seed(0)
    return Backbone(open_up(network(BUILDS[build])), SIDE, T, memory=memory, **how)


def by_the_equation(layer: SideLayer, s: Tensor, x: Tensor, position: Tensor) -> Tensor:
    """The layer on the T frames of one clip: (T, N, d), (T, tokens, D) -> (T, N, d)."""
    width, half = s.shape[-1], s.shape[-1] // 2
    u = layer.linear(F.layer_norm(x, x.shape[-1:]))
    s = 0.5 * s + 0.5 * u[:, layer.prefix :]
    hidden, over_time = layer.down(layer.norm1(s)), layer.conv.bias.expand(s.shape).clone()
    classes = torch.zeros(T, 1, width)
    for frame in range(T):
        for k in (-1, 0, 1):
            if 0 <= frame + k < T:
                over_time[frame] += layer.conv.weight[:, 0, k + 1, 0] * hidden[frame + k]
        if frame + 1 < T:
            classes[frame, 0, :half] = u[frame + 1, 0, :half]
        if frame > 0:
            classes[frame, 0, half:] = u[frame - 1, 0, half:]
    s = s + layer.up(over_time)
    attention = nn.MultiheadAttention(width, layer.num_heads, batch_first=True)
    attention.in_proj_weight, attention.in_proj_bias, attention.out_proj = layer.qkv.weight, layer.qkv.bias, layer.out
    offering = layer.norm2(torch.cat(([classes] if layer.class_token else []) + [s + position], 1))
    s = s + attention(offering[:, -s.shape[1] :], offering, offering)[0]
    return s + layer.fc2(F.gelu(layer.fc1(layer.norm3(s))))


@pytest.mark.parametrize("build", ["timm like DINOv2", "open_clip", "open_clip SigLIP"])
@torch.no_grad()
def test_a_layer_is_its_equation(build: str) -> None:
    backbone = beside(build).eval()
    randomise(backbone)
    side: Any = backbone.side
    layer, tokens = side.layers[1], 4 + backbone.encoder.prefix
    s, x = torch.randn(2, T, 4, WIDTH), 20 + torch.randn(2, T, tokens, backbone.encoder.blocks[-1].width)
    expected = torch.stack([by_the_equation(layer, *clip, side.position) for clip in zip(s, x, strict=True)])
    assert_rounded(side.step(1, s.flatten(0, 1), x.flatten(0, 1)), expected.flatten(0, 1), BLOCK)


@torch.no_grad()
def test_stem_and_output_are_their_equations() -> None:
    """Each patch of a frame with those of the frames next to it, zeros past the ends; then layers, norm, mean."""
    backbone = beside("open_clip").eval()
    randomise(backbone)
    side: Any = backbone.side
    frames = F.pad(backbone.normalise(clips()), (0, 0, 0, 0, 0, 0, 1, 1))  # (B, T + 2, 3, H, W)
    patches = F.unfold(frames.flatten(0, 1), 16, stride=16).unflatten(0, (2, T + 2))  # (B, T + 2, 3 * 16 * 16, N)
    kernels = side.stem.weight.transpose(1, 2).flatten(2)  # (d, 3 times, 3 * 16 * 16)
    sums = sum(torch.einsum("dp,btpn->btnd", kernels[:, k], patches[:, k : k + T]) for k in range(3))
    s = side.stem_norm((sums + side.stem.bias).flatten(0, 1))
    assert_rounded(side.begin(backbone.normalise(clips()).flatten(0, 1), T), s, BLOCK)
    for i, x in backbone.leaving(clips(), range(1, DEPTH + 1)):
        s = side.step(i - 1, s, x)
    assert_rounded(backbone(clips()), side.norm(s).mean(1).unflatten(0, (2, T)), 3 * BLOCK)
    backbone.reads = "tokens"
    assert_rounded(backbone(clips()), side.norm(s).unflatten(0, (2, T)), 3 * BLOCK)


@pytest.mark.parametrize("build", VITS)
def test_the_encoder_beneath_is_itself_to_the_bit_and_all_beside_it_learns(build: str) -> None:
    net = network(BUILDS[build])
    plain = Backbone(open_up(deepcopy(net)), StAdapter(before_attention=None), T)
    backbone = Backbone(open_up(net), SIDE, T).train()
    seen: list[Tensor] = []
    side: Any = backbone.side
    for layer in side.layers:
        layer.register_forward_pre_hook(lambda layer, args: seen.append(args[1]))
    backbone(clips()).square().sum().backward()
    with torch.no_grad():
        for ours, (_, expected) in zip(seen, plain.leaving(clips(), range(1, DEPTH + 1)), strict=True):
            assert torch.equal(ours, expected)
    assert not any(x.requires_grad for x in seen)
    trains = {name for name, p in backbone.named_parameters() if p.requires_grad}
    assert trains == {name for name in dict(backbone.named_parameters()) if name.startswith("side.")}
    assert {name for name, p in backbone.named_parameters() if p.grad is not None and p.grad.any()} == trains
    assert not {id(p) for p in side.parameters()} & {id(p) for p in backbone.pretrained()}


OPTIONS: dict[str, dict[str, Any]] = {
    "blocks": {"checkpoint_blocks": 2},
    "nested": {"checkpoint_blocks": DEPTH, "checkpoint_nested": True},
    "offload": {"checkpoint_blocks": DEPTH, "offload": True},
    "mlp": {"recompute_mlp": True},
    "half": {"residual_dtype": "auto"},
}


class Kept:
    """What autograd keeps for the backward pass, as long as it does."""

    def __init__(self, saved: Tensor) -> None:
        self.saved = saved


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_of_memory_gives_the_same_gradients_from_less(option: str) -> None:
    def kept_and_gradients(memory: Memory) -> tuple[int, list[Tensor]]:
        backbone = beside("open_clip", memory).train()
        own = {p.untyped_storage().data_ptr() for p in backbone.parameters()}
        kept = weakref.WeakSet[Kept]()  # without what is let go again, whose address may come twice

        def pack(saved: Tensor) -> Kept:
            kept.add(one := Kept(saved))
            return one

        with torch.autocast("cpu", torch.bfloat16, enabled=option == "half"):
            if "offload" in option:
                loss = backbone(clips()).square().sum()
            else:
                with torch.autograd.graph.saved_tensors_hooks(pack, lambda one: one.saved):
                    loss = backbone(clips()).square().sum()
        sizes = {x.data_ptr(): x.nbytes() for one in kept if (x := one.saved.untyped_storage()).data_ptr() not in own}
        loss.backward()
        return sum(sizes.values()), [p.grad for p in backbone.parameters() if p.grad is not None]

    (full, expected), (lean, ours) = kept_and_gradients(Memory()), kept_and_gradients(Memory(**OPTIONS[option]))
    for gradient, plain in zip(ours, expected, strict=True):
        assert_rounded(gradient, plain, *((2 * DEPTH, torch.bfloat16) if option == "half" else (0, None)))
    assert option == "offload" or lean < full


def test_what_is_kept_of_a_block_is_what_the_side_layer_reads_of_it() -> None:
    """One tensor of the encoder's width: its tokens, normed; recomputed, its tokens."""

    def wide(memory: Memory) -> int:
        backbone, seen = beside("open_clip", memory).train(), {}

        def pack(saved: Tensor) -> Tensor:
            seen[saved.untyped_storage().data_ptr()] = saved
            return saved

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved):
            backbone(clips())
        return sum(x.numel() == 2 * T * 5 * 64 for x in seen.values())

    assert wide(Memory()) == wide(Memory(checkpoint_blocks=DEPTH)) == DEPTH


@torch.no_grad()
def test_clips_do_not_mix_and_the_order_of_frames_matters() -> None:
    backbone = beside("timm").train()
    randomise(backbone)
    both = backbone(clips())
    assert_rounded(torch.cat([backbone(clip[None]) for clip in clips()]), both, 2 * DEPTH * BLOCK)
    assert (backbone(clips().flip(1)).mean(1) - both.mean(1)).abs().max() > 1e-3


@torch.no_grad()
def test_of_tubelets_the_stem_sees_all_frames() -> None:
    backbone = Backbone(open_up(network(BUILDS["timm"])), SIDE, 2 * T, tubelet=2).eval()
    given = clips(num_frames=2 * T)
    features = backbone(given)
    assert features.shape == (2, T, WIDTH)
    for frame in (0, 1):
        changed = given.clone()
        changed[:, frame] = 255 - changed[:, frame]
        assert (backbone(changed) - features)[:, 0].abs().max() > 1e-4


@pytest.mark.parametrize(("build", "wide"), [("timm", 32), ("open_clip", 64)])
def test_parameters_are_those_of_the_equation(build: str, wide: int) -> None:
    side: Any = beside(build).side
    stem, norm, square = WIDTH * 3 * 3 * 16 * 16 + WIDTH, 2 * WIDTH, WIDTH * WIDTH
    convolution = 2 * (square + WIDTH) + 3 * WIDTH + WIDTH
    attention, mlp = 4 * square + 4 * WIDTH, 8 * square + 5 * WIDTH
    layer = wide * WIDTH + WIDTH + convolution + attention + mlp + 3 * norm
    assert sum(p.numel() for p in side.parameters()) == stem + 2 * norm + 4 * WIDTH + DEPTH * layer


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf Tensor")
@pytest.mark.slow
def test_compiled_layers_give_the_same() -> None:
    backbone = beside("open_clip")
    expected = backbone(clips())
    torch._dynamo.reset()  # what other tests had compiled counts for nothing
    for layers in (backbone.blocks, backbone.side.layers):
        compile_blocks(layers, backend="aot_eager")
    assert_rounded(backbone(clips()), expected, DEPTH * BLOCK)
    torch._dynamo.reset()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"width": 30, "num_heads": 4}, r"adapter\.width is 30 and adapter\.num_heads 4, expected heads of an even"),
        ({"num_heads": 0}, r"adapter\.num_heads 0"),
        ({"mlp_ratio": 0.0}, r"adapter\.mlp_ratio is 0"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Side4Video(**wrong)


def test_encoders_of_several_stages_are_refused() -> None:
    with pytest.raises(ValueError, match=r"adapter=side4video reads one grid .* has 2 stages .*; take a ViT"):
        beside("timm Swin")


def test_a_way_to_pool_the_encoders_tokens_is_refused_where_they_are_not_pooled() -> None:
    encoder = open_up(network(BUILDS["timm"]))
    encoder.set_pool("patches")
    with pytest.raises(ValueError, match=r"model.pool=patches is about the encoder's feature, .* give model.pool=null"):
        Backbone(encoder, SIDE, T)
