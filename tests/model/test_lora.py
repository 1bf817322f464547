"""LoRA against matrices that were changed by hand."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import nn

from video_adapters.model.adapters.lora import Lora, LowRank, matrices
from video_adapters.model.adapters.st_adapter import StAdapter
from video_adapters.model.backbone import Backbone
from video_adapters.model.encoders.pretrained import open_up

from helpers.networks import BUILDS, DEPTH, clips, network, randomise
from helpers.rounding import BLOCK, assert_rounded

T = 4
NOTHING = StAdapter(before_attention=None)


def added(backbone: Backbone) -> list[LowRank]:
    return [module for module in backbone.modules() if isinstance(module, LowRank)]


@pytest.mark.parametrize("build", BUILDS)
def test_untrained_it_changes_nothing_and_all_of_it_learns(build: str) -> None:
    net = network(BUILDS[build])
    plain = Backbone(open_up(deepcopy(net)), NOTHING, T).train()
    backbone = Backbone(open_up(net), Lora(), T).train()
    torch.testing.assert_close(backbone(clips()), plain(clips()), rtol=0, atol=0)
    for change in added(backbone):
        randomise(change)
    backbone(clips()).square().sum().backward()
    trains = {name for name, p in backbone.named_parameters() if p.requires_grad}
    assert {name for name, p in backbone.named_parameters() if p.grad is not None and p.grad.any()} == trains
    linears = {"timm like AIMv2": 5, "timm EVA-02": 7}.get(build, 4)  # a gated MLP, and queries, keys, values apart
    assert sum("parametrizations" in name for name in trains) == 2 * linears * DEPTH  # up and down of each


@pytest.mark.parametrize("build", ["timm", "open_clip", "timm Swin"])
@torch.no_grad()
def test_it_is_the_encoder_with_changed_matrices(build: str) -> None:
    net = network(BUILDS[build])
    by_hand = Backbone(open_up(deepcopy(net)), NOTHING, T).double().eval()
    backbone = Backbone(open_up(net), Lora(rank=3, alpha=6.0, blocks=[1]), T).double().eval()
    assert len(added(backbone)) == 4
    theirs, ours = ([*matrices(net.blocks[1].parts.block)] for net in (by_hand, backbone))
    for (module, name), (changed, _) in zip(theirs, ours, strict=True):
        change = changed.parametrizations[name][0]
        randomise(change)
        getattr(module, name).add_(2.0 * change.up @ change.down)  # alpha / rank = 6 / 3
    assert_rounded(backbone(clips()), by_hand(clips()), DEPTH * BLOCK)


@pytest.mark.parametrize("build", ["timm", "open_clip"])
@torch.no_grad()
def test_merged_it_is_an_encoder_without_additions(build: str) -> None:
    backbone = Backbone(open_up(network(BUILDS[build])), Lora(blocks=[1]), T).eval()
    for change in added(backbone):
        randomise(change)
    expected, more = backbone(clips()), sum(p.numel() for change in added(backbone) for p in change.parameters())
    assert backbone.merge() == more
    assert added(backbone) == []
    assert torch.equal(backbone(clips()), expected)
    assert backbone.merge() == 0


def test_what_came_with_the_encoder_is_told_from_what_was_added() -> None:
    backbone = Backbone(open_up(network(BUILDS["timm"])), Lora(), T)
    pretrained = {id(p) for p in backbone.pretrained()}
    assert not any(id(p) in pretrained for change in added(backbone) for p in change.parameters())
    width, hidden, rank = 32, 128, 8
    one = rank * ((width + 3 * width) + 2 * width + 2 * (width + hidden))  # qkv, output, and the MLP's two
    assert sum(p.numel() for change in added(backbone) for p in change.parameters()) == DEPTH * one


@torch.no_grad()
def test_the_order_of_frames_does_not_matter() -> None:
    backbone = Backbone(open_up(network(BUILDS["timm"])), Lora(), T).eval()
    for change in added(backbone):
        randomise(change)
    assert_rounded(backbone(clips()).mean(1), backbone(clips().flip(1)).mean(1), DEPTH * BLOCK)


@pytest.mark.parametrize("wrong", [{"rank": 0}, {"alpha": 0.0}])
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"adapter\.rank is .* and adapter\.alpha"):
        Lora(**wrong)


def test_a_low_rank_change_starts_at_zero() -> None:
    weight = nn.Linear(5, 7).weight
    change = LowRank(7, 5, 2, 1.0)
    assert torch.equal(change(weight), weight)
    assert not change.up.any()
    assert change.down.all()  # were it zero as well, neither would ever get a gradient
