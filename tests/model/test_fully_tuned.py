"""The fully tuned rivals: TimeSformer, Video Swin, full tuning."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from video_adapters.model.adapters.adapted_block import AdapterMethod
from video_adapters.model.adapters.aim import Aim
from video_adapters.model.adapters.timesformer import TimeSformer
from video_adapters.model.adapters.video_swin import VideoSwin
from video_adapters.model.backbone import Backbone
from video_adapters.model.encoders.pretrained import open_up
from video_adapters.model.execution import Memory

from helpers.networks import BUILDS, DEPTH, clips, executions, network, randomise, timm_swin, with_our_activation
from helpers.rounding import BLOCK, assert_rounded, rounding

T = 4

FULL_TUNING = Aim(temporal=None, spatial=None, joint=None, frozen=False)
EVERYWHERE = {"full tuning": FULL_TUNING, "AIM, fully tuned": Aim(frozen=False), "TimeSformer": TimeSformer()}


@pytest.mark.parametrize("name", BUILDS)
@pytest.mark.parametrize("method", EVERYWHERE.values(), ids=EVERYWHERE)
def test_before_training_every_frame_leaves_as_the_image_encoder_would_have_it(
    method: AdapterMethod, name: str
) -> None:
    net = network(BUILDS[name])
    published = with_our_activation(net).eval()
    backbone = Backbone(open_up(net), method, T, memory=Memory(skip_dead_work=False)).eval()
    with torch.no_grad():
        frames = backbone.normalise(clips(num_frames=T)).flatten(0, 1)
        assert torch.equal(backbone.features(clips(num_frames=T)).flatten(0, 1), published(frames))


ALL = [(method, name) for method in EVERYWHERE.values() for name in BUILDS] + [(VideoSwin(window=2), "timm Swin")]


@pytest.mark.parametrize(("method", "name"), ALL)
def test_everything_trains_and_gets_a_gradient(method: AdapterMethod, name: str) -> None:
    backbone = Backbone(open_up(network(BUILDS[name])), method, T).train()
    randomise(backbone)
    backbone.features(clips(num_frames=T)).square().sum().backward()
    assert [n for n, p in backbone.named_parameters() if not p.requires_grad or p.grad is None] == []


def test_full_tuning_is_order_blind_and_the_others_are_not() -> None:
    def difference(method: AdapterMethod) -> float:
        backbone = Backbone(open_up(network(BUILDS["timm"])), method, T).eval()
        randomise(backbone)
        with torch.no_grad():
            forth, back = (backbone.features(c).mean(1) for c in (clips(), clips().flip(1)))
        return float((forth - back).abs().max())

    assert difference(FULL_TUNING) < rounding(DEPTH * BLOCK, scale=4)  # behind a norm nothing is larger
    assert min(difference(Aim(frozen=False)), difference(TimeSformer())) > 1e-3


@torch.no_grad()
def test_timesformer_is_its_equation() -> None:
    """Bertasius et al., equations 9 and 10 and their figure 2, each place and frame by itself."""
    backbone = Backbone(open_up(network(BUILDS["timm"])), TimeSformer(), T, memory=Memory(skip_dead_work=False)).eval()
    randomise(backbone)
    block: Any = backbone.blocks[1].double()
    time, space = block.time.block, block.parts.block
    x = torch.randn(2, T, 5, 32).double()
    expected = x.clone()
    for clip in expected:
        for place in range(5):
            clip[:, place] += block.time_out(time.attn(time.norm1(clip[:, place])[None])[0])
        for frame in clip:
            frame += space.attn(space.norm1(frame)[None])[0]
            frame += space.mlp(space.norm2(frame))
    assert_rounded(block(x.flatten(0, 1)), expected.flatten(0, 1), 2 * BLOCK)


def test_its_attention_over_time_starts_from_the_weights_within_frames_and_is_its_own() -> None:
    backbone = Backbone(open_up(network(BUILDS["open_clip"])), TimeSformer(), T)
    block: Any = backbone.blocks[0]
    time, space = block.time.block.attn.in_proj_weight, block.parts.block.attn.in_proj_weight
    assert torch.equal(time, space)
    assert time is not space


def windows_by_hand(block: Any, x: Tensor, window: int) -> Tensor:
    """Attention of a Video Swin block without shift, each window by itself: (T, H, W, D) -> same shape."""
    attention = block.attention
    side = block.parts.block.window_size[0]
    size, out = x.shape[-1] // attention.num_heads, torch.empty_like(x)
    table = attention.relative_position_bias_table.unflatten(0, (2 * window - 1, 2 * side - 1, 2 * side - 1))
    offsets = [(t, h, w) for t in range(window) for h in range(side) for w in range(side)]
    far = torch.tensor([[[a - b for a, b in zip(p, q, strict=True)] for q in offsets] for p in offsets])
    t, h, w = (far + torch.tensor([window - 1, side - 1, side - 1])).unbind(-1)
    bias = table[t, h, w].permute(2, 0, 1)
    for t0 in range(0, x.shape[0], window):
        for h0 in range(0, x.shape[1], side):
            for w0 in range(0, x.shape[2], side):
                part = slice(t0, t0 + window), slice(h0, h0 + side), slice(w0, w0 + side)
                tokens = x[part].reshape(-1, x.shape[-1])
                q, k, v = (m.unflatten(-1, (-1, size)).transpose(0, 1) for m in attention.qkv(tokens).chunk(3, -1))
                y = ((q @ k.transpose(1, 2)) / size**0.5 + bias).softmax(-1) @ v
                out[part] = attention.proj(y.transpose(0, 1).flatten(1)).view(x[part].shape)
    return out


@torch.no_grad()
def test_video_swin_is_its_equation() -> None:
    backbone = Backbone(open_up(network(timm_swin())), VideoSwin(window=2), T).eval()
    randomise(backbone, scale=0.3)
    block: Any = backbone.blocks[0].double()
    norm1, norm2, mlp = (getattr(block.parts.block, name) for name in ("norm1", "norm2", "mlp"))
    x = torch.randn(T, 8, 8, 16).double()
    y = x + windows_by_hand(block, norm1(x), 2)
    assert_rounded(block(x), y + mlp(norm2(y)), BLOCK)


@pytest.mark.parametrize("window", [2, 4, 8])
@torch.no_grad()
def test_a_still_clip_through_inflated_windows_gives_the_features_of_the_image_encoder(window: int) -> None:
    published = network(timm_swin()).double().eval()
    backbone = Backbone(open_up(deepcopy(published)), VideoSwin(window=window), 2 * T, tubelet=2).double().eval()
    still = clips(num_frames=1)
    features = backbone.features(still.expand(-1, 2 * T, -1, -1, -1))
    expected = published(backbone.normalise(still)[:, 0])[:, None].expand_as(features)
    assert_rounded(features, expected, DEPTH * BLOCK)


def test_windows_are_shifted_over_time_too_in_every_second_block_of_a_stage() -> None:
    encoder = open_up(network(timm_swin(depths=(2, 2))))
    blocks: Any = VideoSwin(window=4).adapt(encoder, executions(T, depth=4)).blocks
    assert [block.attention.shift_size for block in blocks] == [[0, 0, 0], [2, 2, 2], [0, 0, 0], [2, 0, 0]]


def test_video_swin_needs_windows() -> None:
    with pytest.raises(ValueError, match=r"widens the windows of a Swin, but the encoder's blocks .* model=swin_b"):
        Backbone(open_up(network(BUILDS["timm"])), VideoSwin(), T)


@pytest.mark.parametrize("method", [TimeSformer, VideoSwin])
def test_a_drop_path_out_of_range_is_refused(method: Any) -> None:
    with pytest.raises(ValueError, match=r"adapter.drop_path is 1"):
        method(drop_path=1)


def test_a_window_without_a_token_is_refused() -> None:
    with pytest.raises(ValueError, match=r"adapter.window is 0"):
        VideoSwin(window=0)


@pytest.mark.parametrize("method", [TimeSformer(drop_path=0.4), VideoSwin(drop_path=0.4)], ids=["time", "swin"])
def test_drop_path_rises_to_the_last_block_and_drops_whole_clips(method: AdapterMethod) -> None:
    backbone = Backbone(open_up(network(timm_swin())), method, T)
    rates = [block.drop_path.rate for block in backbone.blocks]
    assert rates == pytest.approx([0, 0.2, 0.4])
    block: Any = backbone.blocks[2].train()
    block.drop_path.rate = 1 - 1e-9
    x = torch.randn(T, 4, 4, 32)
    assert torch.equal(block(x), x)


def test_positions_are_not_decayed() -> None:
    windows = VideoSwin(window=2).adapt(open_up(network(timm_swin())), executions(T)).blocks
    tables = [p for block in windows for p in block.positions()]
    assert [tuple(p.shape) for p in tables] == [(3 * 7 * 7, 2), (3 * 7 * 7, 2), (3 * 7 * 7, 4)]
    blocks = Aim(time_bias=True).adapt(open_up(network(timm_swin())), executions(T)).blocks
    assert [len(block.positions()) for block in blocks] == [2, 2, 2]
    assert isinstance(blocks[0], nn.Module)
