"""AIM's block against its equation, written out clip by clip and place by place."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from video_adapters.model.adapters.adapter import Adapter
from video_adapters.model.adapters.aim import Aim, AimBlock
from video_adapters.model.encoders.pretrained import open_up

from helpers.networks import BUILDS, DEPTH, executions, network, randomise
from helpers.rounding import BLOCK, assert_rounded

B, T = 2, 3


def adapted(build: str, method: Aim) -> list[Any]:
    encoder = open_up(network(BUILDS[build]))
    blocks = method.adapt(encoder, executions(T)).blocks
    randomise(nn.ModuleList(blocks))
    return blocks


def bottleneck(adapter: Adapter | None, x: Tensor) -> Tensor:
    assert adapter is not None
    hidden = x @ adapter.down.weight.T + adapter.down.bias
    return (0.5 * hidden * (1 + torch.erf(hidden / math.sqrt(2)))) @ adapter.up.weight.T + adapter.up.bias


def frozen_parts(build: str, block: AimBlock) -> tuple[Any, Any, Any, Any]:
    """Norm, attention, norm and MLP of the published block, each for rows (1, N, D)."""
    net = block.parts.block
    if build.startswith("timm"):
        return net.norm1, lambda x: net.ls1(net.attn(x)), net.norm2, lambda x: net.ls2(net.mlp(x))
    return net.ln_1, lambda x: net.ls_1(net.attn(x, x, x)[0]), net.ln_2, lambda x: net.ls_2(net.mlp(x))


def by_the_equation(build: str, block: AimBlock, x: Tensor) -> Tensor:
    norm1, attention, norm2, mlp = frozen_parts(build, block)
    x = x.clone()
    if block.temporal is not None:
        for clip in range(B):
            for place in range(x.shape[2]):
                tube = x[clip, :, place]  # (T, D)
                h = norm1(tube)
                if block.temporal_in is not None:
                    h = h + bottleneck(block.temporal_in, h)
                x[clip, :, place] = tube + bottleneck(block.temporal, attention(h[None])[0])
    for clip in range(B):
        for frame in range(T):
            tokens = x[clip, frame]  # (N, D)
            y = attention(norm1(tokens)[None])[0]
            tokens = tokens + y + (bottleneck(block.spatial, y) if block.spatial is not None else 0)
            z = norm2(tokens)
            side = block.scale * bottleneck(block.joint, z) if block.joint is not None else 0
            x[clip, frame] = tokens + mlp(z[None])[0] + side
    return x


@pytest.mark.parametrize("build", ["timm like DINOv2", "open_clip", "open_clip layer scale"])
@pytest.mark.parametrize(
    "method",
    [
        Aim(temporal_in="all", scale=0.7),
        Aim(),
        Aim(temporal=None),
        Aim(spatial=None, joint=None),
        Aim(temporal=None, spatial=None, joint=None),
    ],
    ids=["all sites", "one temporal", "no temporal", "temporal alone", "none"],
)
@torch.no_grad()
def test_the_block_is_its_equation(build: str, method: Aim) -> None:
    block = adapted(build, method)[1].double().eval()
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(B, T, 5, block.parts.width, generator=generator).double()
    expected = by_the_equation(build, block, x)
    assert (expected - x).abs().max() > 0.1  # the sites do something
    assert_rounded(block(x.flatten(0, 1)), expected.flatten(0, 1), 2 * BLOCK)  # attention over time as well


def test_each_site_stands_where_it_is_placed() -> None:
    blocks = adapted("timm", Aim(temporal=[1, 2], temporal_in=[2], spatial="even", joint=None))
    sites = ("temporal", "temporal_in", "spatial", "joint")
    assert [[s for s in sites if getattr(block, s) is not None] for block in blocks] == [
        ["spatial"],
        ["temporal"],
        ["temporal", "temporal_in", "spatial"],
    ]


def test_time_enters_at_the_first_temporal_block_and_nowhere_without_one() -> None:
    encoder = open_up(network(BUILDS["timm"]))
    assert Aim(temporal=[2, 1]).adapt(encoder, executions(T)).time_from == 1
    assert Aim(temporal=None).adapt(encoder, executions(T)).time_from is None


def test_drop_path_rises_linearly_to_the_last_block() -> None:
    rates = [block.drop_path.rate for block in adapted("timm", Aim(drop_path=0.3))]
    assert rates == pytest.approx([0.3 * i / (DEPTH - 1) for i in range(DEPTH)])


def test_drop_path_takes_the_temporal_and_the_joint_branch_but_never_the_spatial_one() -> None:
    block = adapted("timm", Aim(temporal_in="all"))[1]
    x = torch.randn(B * T, 5, block.parts.width)
    with torch.no_grad():
        block.drop_path.rate = 1 - 1e-9  # every branch is dropped
        dropped = block.train()(x)
        block.temporal = block.joint = None
        assert torch.equal(dropped, block.eval()(x))


@pytest.mark.parametrize("ratio", [0, -0.25])
def test_a_ratio_that_leaves_nothing_is_refused(ratio: float) -> None:
    with pytest.raises(ValueError, match=r"adapter.ratio is"):
        Aim(ratio=ratio)


@pytest.mark.parametrize("rate", [1, -0.1])
def test_a_drop_path_out_of_range_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match=r"adapter.drop_path is"):
        Aim(drop_path=rate)


def test_a_second_temporal_adapter_needs_the_first() -> None:
    with pytest.raises(ValueError, match=r"adapter.temporal_in names blocks \[0, 2\], which adapter.temporal does not"):
        adapted("timm", Aim(temporal=[1], temporal_in="all"))
