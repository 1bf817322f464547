"""AdaptFormer's block against its equation."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import nn

from video_adapters.model.adapters.adaptformer import AdaptFormer
from video_adapters.model.adapters.st_adapter import StAdapter
from video_adapters.model.backbone import Backbone
from video_adapters.model.encoders.pretrained import open_up

from helpers.networks import BUILDS, DEPTH, clips, executions, left_unlearned, network, randomise
from helpers.rounding import BLOCK, assert_rounded

T = 4
METHOD = AdaptFormer(ratio=0.25)


@pytest.mark.parametrize("build", ["timm like DINOv2", "open_clip", "timm Swin"])
@torch.no_grad()
def test_a_bottleneck_with_a_relu_stands_beside_every_mlp(build: str) -> None:
    blocks: Any = METHOD.adapt(open_up(network(BUILDS[build])), executions(T)).blocks
    randomise(nn.ModuleList(blocks))
    block = blocks[0]
    side = (8, 8) if "Swin" in build else (9,)
    x = torch.randn(2 * T, *side, block.parts.width)
    y = x + block.parts.attend(block.parts.norm1(x)).project()
    z = block.parts.norm2(y)
    hidden = (z @ block.joint.down.weight.T + block.joint.down.bias).clamp(min=0)
    joint = hidden @ block.joint.up.weight.T + block.joint.up.bias
    torch.testing.assert_close(block(x), y + block.parts.mlp(z) + 0.1 * joint)


@pytest.mark.parametrize("build", BUILDS)
def test_untrained_it_changes_nothing_and_all_of_it_learns(build: str) -> None:
    net = network(BUILDS[build])
    plain = Backbone(open_up(deepcopy(net)), StAdapter(before_attention=None), T).train()
    backbone = Backbone(open_up(net), METHOD, T).train()
    torch.testing.assert_close(backbone(clips()), plain(clips()), rtol=0, atol=0)
    randomise(backbone)
    backbone(clips()).square().sum().backward()
    assert left_unlearned(backbone) == []


def test_parameters_are_those_of_the_equation_and_sit_in_the_blocks_that_are_named() -> None:
    blocks: Any = AdaptFormer(ratio=0.25, blocks=[0, 2]).adapt(open_up(network(BUILDS["timm"])), executions(T)).blocks
    assert [block.joint is not None for block in blocks] == [True, False, True]
    assert sum(p.numel() for p in blocks[0].joint.parameters()) == 2 * 32 * 8 + 8 + 32


@torch.no_grad()
def test_the_order_of_frames_does_not_matter() -> None:
    backbone = Backbone(open_up(network(BUILDS["timm"])), METHOD, T).eval()
    randomise(backbone)
    assert_rounded(backbone(clips()).mean(1), backbone(clips().flip(1)).mean(1), DEPTH * BLOCK)


@pytest.mark.parametrize("wrong", [{"ratio": 0.0}, {"scale": -1.0}])
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"adapter\.ratio is .* and adapter\.scale"):
        AdaptFormer(**wrong)
