"""ZeroI2V's block against its equation, written out head by head, and merged against unmerged."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from video_adapters.model.adapters.adapted_block import running
from video_adapters.model.adapters.adapter import LinearAdapter
from video_adapters.model.adapters.st_adapter import StAdapter
from video_adapters.model.adapters.zeroi2v import ZeroBlock, ZeroI2V, from_frame
from video_adapters.model.backbone import Backbone
from video_adapters.model.encoders.pretrained import open_up
from video_adapters.model.execution import Memory

from helpers.networks import BUILDS, DEPTH, clips, executions, left_unlearned, network, randomise, timm_vit
from helpers.rounding import BLOCK, assert_rounded

B, T, HEADS = 2, 3, 4
VITS = [name for name in BUILDS if "Swin" not in name]
SPECIAL = ["timm like DINOv2", "timm normed queries", "timm like AIMv2", "open_clip layer scale"]
"""With layer scale and registers, with norms inside attention and MLP, without biases and with a gated MLP."""

NOTHING = StAdapter(before_attention=None)


def backbone(build: str, method: ZeroI2V = ZeroI2V(), num_frames: int = T, **memory: Any) -> Backbone:  # noqa: B008
    """With an encoder and adapters that are anything but zero."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Backbone(open_up(network(BUILDS[build])), method, num_frames, memory=Memory(**memory)).eval()
    randomise(net)
    return net


def added_to(adapter: LinearAdapter | None, x: Tensor) -> Tensor:
    assert adapter is not None
    hidden = x @ adapter.down.weight.T + (0 if adapter.down.bias is None else adapter.down.bias)
    return x + adapter.scale * (hidden @ adapter.up.weight.T + (0 if adapter.up.bias is None else adapter.up.bias))


def attention_by_hand(block: Any, z: Tensor) -> Tensor:
    """One clip, (T, N, D): in the first head keys and values are of frame t - 1, in the second of t + 1."""
    attention, size = block.attn, z.shape[-1] // HEADS
    if isinstance(attention, nn.MultiheadAttention):
        packed = z @ attention.in_proj_weight.T + attention.in_proj_bias
    else:
        packed = attention.qkv(z)
    q, k, v = packed.unflatten(-1, (3, HEADS, size)).unbind(2)  # (T, N, heads, d)
    if not isinstance(attention, nn.MultiheadAttention):
        q, k = attention.q_norm(q), attention.k_norm(k)
    frames = []
    for t in range(T):
        sources = [max(t - 1, 0), min(t + 1, T - 1), t, t]
        heads = [
            (q[t, :, i] @ k[source, :, i].T / size**0.5).softmax(-1) @ v[source, :, i]
            for i, source in enumerate(sources)
        ]
        frames.append(torch.cat(heads, -1))
    mixed = torch.stack(frames)
    if isinstance(attention, nn.MultiheadAttention):
        return block.ls_1(attention.out_proj(mixed))
    return block.ls1(attention.proj(attention.norm(mixed)))


def by_the_equation(block: ZeroBlock, x: Tensor) -> Tensor:
    parts, net = block.parts, block.parts.block
    out = []
    for clip in x.unflatten(0, (B, T)):
        z = added_to(block.before_attention, parts.norm1(clip))
        clip = clip + added_to(block.after_attention, attention_by_hand(net, z))
        y = net.mlp(added_to(block.before_mlp, parts.norm2(clip)))
        scale = net.ls_2 if hasattr(net, "ls_2") else net.ls2
        out.append(clip + added_to(block.after_mlp, scale(y)))
    return torch.cat(out)


@pytest.mark.parametrize("build", [*SPECIAL, "open_clip"])
@torch.no_grad()
def test_the_block_is_its_equation(build: str) -> None:
    blocks: Any = ZeroI2V(scale=0.7).adapt(open_up(network(BUILDS[build])), executions(T)).blocks
    randomise(nn.ModuleList(blocks))
    block = blocks[1].double().eval()
    x = torch.randn(B * T, 5, block.parts.width, generator=torch.Generator().manual_seed(3)).double()
    expected = by_the_equation(block, x)
    assert_rounded(block(x), expected, BLOCK)
    with running([block], fuse=False):
        assert_rounded(block(x), expected, BLOCK)


@pytest.mark.parametrize(
    ("by", "sources"), [(-1, [0, 0, 1, 2]), (1, [1, 2, 3, 3]), (-2, [0, 1, 0, 1]), (2, [2, 3, 2, 3])]
)
def test_a_frame_at_the_end_of_a_clip_keeps_its_own(by: int, sources: list[int]) -> None:
    frames = torch.arange(8).view(2, 4, 1)
    assert from_frame(frames, by)[..., 0].tolist() == [sources, [4 + t for t in sources]]
    assert torch.equal(from_frame(frames[:, :1], by)[:, :1], frames[:, :1])


@pytest.mark.parametrize("build", VITS)
def test_untrained_a_clip_that_stands_still_is_the_image_encoders_to_the_bit_and_all_of_it_learns(build: str) -> None:
    net = network(BUILDS[build])
    plain = Backbone(open_up(deepcopy(net)), NOTHING, T).train()
    one = Backbone(open_up(deepcopy(net)), ZeroI2V(), 1).train()
    zero = Backbone(open_up(net), ZeroI2V(dropout=0.0), T).train()
    still = clips(num_frames=1)
    expected = plain(still.expand(-1, T, -1, -1, -1))
    assert torch.equal(zero(still.expand(-1, T, -1, -1, -1)), expected)
    moving = clips(num_frames=T)
    assert torch.equal(one(moving.flatten(0, 1)[:, None])[:, 0], plain(moving).flatten(0, 1))
    assert (zero(moving) - plain(moving)).abs().max() > 1e-3  # heads look at other frames from the start
    randomise(zero)
    zero(moving).square().sum().backward()
    assert left_unlearned(zero) == []


QUICK = ("timm like DINOv2", "timm like AIMv2")  # with layer scale, and without biases


@pytest.mark.parametrize(
    "build",
    [pytest.param(b, marks=[] if b in QUICK else pytest.mark.slow) for b in (*SPECIAL, "timm DINOv3", "timm EVA-02")],
)
@torch.no_grad()
def test_merged_it_is_the_encoder_with_other_weights_and_gives_the_same(build: str) -> None:
    """Over 100 clips; what is left is what a frozen encoder has, and the temporal embedding."""
    net = backbone(build, num_frames=4)
    many = torch.cat([clips(num_clips=50), 255 - clips(num_clips=50)])
    bare = Backbone(open_up(network(BUILDS[build])), NOTHING, 4).state_dict()
    expected, before = net(many), sum(p.numel() for p in net.parameters())
    folded = net.merge()
    assert (net(many) - expected).abs().max() < 1e-4
    assert (expected - Backbone(open_up(network(BUILDS[build])), NOTHING, 4).eval()(many)).abs().max() > 0.1
    assert net.state_dict().keys() == bare.keys() | {"temporal_embedding"}
    left = sum(p.numel() for p in net.parameters())
    assert left == sum(value.numel() for value in bare.values()) + 4 * net.width
    assert left == before - folded
    assert net.merge() == 0


def test_adapters_have_no_bias_next_to_layers_that_have_none() -> None:
    def biased(build: str) -> set[bool]:
        return {m.up.bias is not None for m in backbone(build).modules() if isinstance(m, LinearAdapter)}

    assert biased("timm like AIMv2") == {False}
    assert biased("timm") == {True}
    part = Backbone(open_up(network(timm_vit(qkv_bias=False))), ZeroI2V(), T).blocks[0]
    assert isinstance(part, ZeroBlock)
    assert part.before_attention is not None
    assert part.before_mlp is not None
    assert part.before_attention.down.bias is part.before_attention.up.bias is None
    assert part.before_mlp.up.bias is not None


@pytest.mark.parametrize("build", ["timm like DINOv2", "open_clip layer scale"])
@torch.no_grad()
def test_layers_taken_for_one_and_work_left_out_change_nothing_but_rounding(build: str) -> None:
    net = backbone(build)
    lean = net(clips(num_frames=T))
    with running(net.blocks, fuse=False, skip_dead_work=False):
        assert_rounded(net(clips(num_frames=T)), lean, DEPTH * BLOCK)


@pytest.mark.parametrize("memory", [{"checkpoint_blocks": 3}, {"recompute_mlp": True}], ids=str)
def test_what_is_recomputed_learns_the_same(memory: dict[str, Any]) -> None:
    def gradients(net: Backbone) -> list[Tensor]:
        torch.manual_seed(0)  # of dropout
        net.train()(clips(num_frames=T)).square().mean().backward()
        return [p.grad for p in net.parameters() if p.grad is not None]

    for ours, plain in zip(gradients(backbone("timm", **memory)), gradients(backbone("timm")), strict=True):
        torch.testing.assert_close(ours, plain)


@torch.no_grad()
def test_dropout_is_on_the_adapters_hidden_units_and_in_training_alone() -> None:
    net = backbone("timm", ZeroI2V(dropout=0.5))
    without = backbone("timm", ZeroI2V(dropout=0.0))
    moving = clips(num_frames=T)
    assert torch.equal(net(moving), without(moving))
    assert torch.equal(without.train()(moving), without.eval()(moving))
    assert not torch.equal(net.train()(moving), without(moving))


@torch.no_grad()
def test_blocks_that_are_not_adapted_stay_the_image_encoders() -> None:
    net = backbone("timm", ZeroI2V(blocks=[2]))
    assert net.time_from == 2
    rows = [{name for name, _ in block.named_children()} for block in net.blocks]
    assert rows[:2] == [{"parts", "drop_path"}] * 2
    moving = clips(num_frames=T)
    expected, changed = net(moving), net(moving.flip(1)).flip(1)
    assert not torch.allclose(expected, changed, atol=1e-3)
    net.merge()
    assert_rounded(net(moving), expected, DEPTH * BLOCK)


def test_long_clips_shift_four_heads() -> None:
    net = network(timm_vit(num_heads=8))
    assert [block.shifts for block in ZeroI2V().adapt(open_up(net), executions(16)).blocks] == [(-1, 1, -2, 2)] * DEPTH
    with pytest.raises(ValueError, match=r"gives 4 heads to other frames in clips of 16, .* attention has 4 heads"):
        ZeroI2V().adapt(open_up(network(BUILDS["timm"])), executions(16))


def test_what_has_no_head_to_spare_is_refused() -> None:
    with pytest.raises(ValueError, match=r"adapter=zeroi2v gives 2 heads to other frames .* attention has 2 heads"):
        ZeroI2V().adapt(open_up(network(timm_vit(num_heads=2))), executions(T))
    with pytest.raises(
        ValueError, match=r"of the class SwinTransformerBlock, .*; take a ViT, such as model=clip_vit_b16"
    ):
        ZeroI2V().adapt(open_up(network(BUILDS["timm Swin"])), executions(T))


@pytest.mark.parametrize(("wrong", "message"), [({"ratio": 0.0}, "ratio is 0"), ({"dropout": 1.0}, "dropout is 1")])
def test_impossible_settings_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=rf"adapter\.{message}"):
        ZeroI2V(**wrong)
