"""ST-Adapter's block against its equation, channel by channel."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from video_adapters.model.adapters.st_adapter import StAdapter, TemporalConvolution
from video_adapters.model.backbone import Backbone
from video_adapters.model.encoders.pretrained import open_up

from helpers.networks import BUILDS, DEPTH, clips, executions, left_unlearned, network, randomise

T = 4
TWICE = StAdapter(before_mlp="all")
SPECTRAL = StAdapter(before_mlp="all", frequency=True)


def by_the_equation(adapter: TemporalConvolution, tokens: Tensor) -> Tensor:
    """Up, convolution and down at every patch of one clip: (T, N, D) -> same shape."""
    out = tokens.clone()
    hidden = tokens @ adapter.down.weight.T + adapter.down.bias
    reach = adapter.conv.weight.shape[2] // 2
    for frame in range(T):
        for place in range(adapter.prefix, tokens.shape[1]):
            sums = adapter.conv.bias.clone()
            for k in range(-reach, reach + 1):
                if 0 <= frame + k < T:
                    sums += adapter.conv.weight[:, 0, k + reach, 0] * hidden[frame + k, place]
            out[frame, place] += adapter.up.weight @ sums + adapter.up.bias
    return out


@pytest.mark.parametrize(("kernel_size", "prefix"), [(3, 1), (5, 0), (1, 5)])
@torch.no_grad()
def test_each_channel_is_convolved_over_time_at_its_place(kernel_size: int, prefix: int) -> None:
    adapter = TemporalConvolution(8, 0.5, kernel_size, T, prefix)
    randomise(adapter, scale=1.0)
    clips = torch.randn(2, T, 7, 8)
    expected = torch.stack([by_the_equation(adapter, clip) for clip in clips])
    torch.testing.assert_close(adapter(clips.flatten(0, 1)), expected.flatten(0, 1))


@pytest.mark.parametrize("build", ["timm like DINOv2", "open_clip", "timm Swin"])
@torch.no_grad()
def test_adapters_stand_ahead_of_attention_and_mlp(build: str) -> None:
    blocks: Any = TWICE.adapt(open_up(network(BUILDS[build])), executions(T)).blocks
    randomise(nn.ModuleList(blocks))
    block = blocks[0]
    side = (8, 8) if "Swin" in build else (9,)
    x = torch.randn(2 * T, *side, block.parts.width)
    y = block.before_attention(x)
    y = y + block.parts.attend(block.parts.norm1(y)).project()
    y = block.before_mlp(y)
    torch.testing.assert_close(block(x), y + block.parts.mlp(block.parts.norm2(y)))


@pytest.mark.parametrize("method", [TWICE, SPECTRAL], ids=["ST-Adapter", "Frame2Freq"])
@pytest.mark.parametrize("build", BUILDS)
def test_untrained_it_changes_nothing_and_all_of_it_learns(build: str, method: StAdapter) -> None:
    net = network(BUILDS[build])
    plain = Backbone(open_up(deepcopy(net)), StAdapter(before_attention=None), T).train()
    backbone = Backbone(open_up(net), method, T).train()
    torch.testing.assert_close(backbone(clips()), plain(clips()), rtol=0, atol=0)
    randomise(backbone)
    backbone(clips()).square().sum().backward()
    assert left_unlearned(backbone) == []


@torch.no_grad()
def test_half_of_the_channels_are_convolved_over_frequencies() -> None:
    adapter = TemporalConvolution(8, 0.4, 3, T, prefix=1, frequency=True)  # 3 units: 2 over time, 1 over frequencies
    plain = TemporalConvolution(8, 0.4, 3, T, prefix=1)
    randomise(adapter, scale=1.0)
    x = torch.randn(2 * T, 7, 8)
    for name in ("down", "up"):
        getattr(plain, name).load_state_dict(getattr(adapter, name).state_dict())
    plain.conv.weight[:2], plain.conv.bias[:2] = adapter.conv.weight, adapter.conv.bias  # the third stays zero
    spectral = adapter.frequency(adapter.down(x[:, 1:])[..., 2:]) @ adapter.up.weight[:, 2:].T
    expected = plain(x)
    expected[:, 1:] += spectral
    torch.testing.assert_close(adapter(x), expected)


def test_only_the_convolution_and_the_biases_start_at_zero() -> None:
    """Were `up` zero too, nothing but it and its bias would ever get a gradient."""
    start = TemporalConvolution(8, 0.5, 3, T, 1).named_parameters()
    assert {name for name, p in start if not p.any()} == {"down.bias", "conv.weight", "conv.bias", "up.bias"}


@pytest.mark.parametrize("method", [StAdapter(), StAdapter(frequency=True)], ids=["ST-Adapter", "Frame2Freq"])
@torch.no_grad()
def test_the_order_of_frames_matters_once_it_is_trained(method: StAdapter) -> None:
    backbone = Backbone(open_up(network(BUILDS["timm"])), method, T).eval()
    randomise(backbone)
    forwards, backwards = backbone(clips()).mean(1), backbone(clips().flip(1)).mean(1)
    assert (forwards - backwards).abs().max() > 1e-3


@pytest.mark.parametrize(("build", "second"), [("timm", DEPTH - 1), ("timm mean pooling", DEPTH)])
def test_parameters_are_those_of_the_equation(build: str, second: int) -> None:
    """Two linears and three weights a channel, with biases; none ahead of the last MLP where nothing would read it."""
    width, hidden = 32, 16
    one = (width * hidden + hidden) + (3 * hidden + hidden) + (hidden * width + width)
    blocks: Any = Backbone(open_up(network(BUILDS[build])), TWICE, T).blocks
    kept = {id(p) for block in blocks for p in block.pretrained()}
    added = [p for p in blocks.parameters() if id(p) not in kept]
    assert sum(p.numel() for p in added) == (DEPTH + second) * one


def test_a_half_over_frequencies_has_three_weights_at_three_scales_for_both_parts() -> None:
    width, hidden = 32, 16
    one = (width * hidden + hidden) + 8 * (3 + 1) + 8 * 3 * 3 * 2 + (hidden * width + width)
    assert sum(p.numel() for p in TemporalConvolution(width, 0.5, 3, 8, 1, frequency=True).parameters()) == one


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"ratio": 0.0}, r"adapter\.ratio is 0"),
        ({"kernel_size": 2}, "odd number of frames"),
        ({"kernel_size": 0}, "odd"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StAdapter(**wrong)


def test_clips_without_quarters_are_refused_by_frame2freq() -> None:
    with pytest.raises(ValueError, match=r"T is 6: give data\.num_frames"):
        Backbone(open_up(network(BUILDS["timm"])), SPECTRAL, 6)


def test_a_bottleneck_without_a_unit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"adapter.ratio=0.01 of width 32 leaves no unit; at least 0.03125 is due"):
        StAdapter(ratio=0.01).adapt(open_up(network(BUILDS["timm"])), executions(T))
