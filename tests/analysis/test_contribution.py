"""How much adapters add, where that is known."""

from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from video_adapters.analysis.measures.contribution import contributions
from video_adapters.model.adapters.aim import Aim
from video_adapters.model.adapters.lora import Lora
from video_adapters.model.adapters.side4video import Side4Video
from video_adapters.model.adapters.st_adapter import StAdapter
from video_adapters.model.adapters.zeroi2v import ZeroI2V

from helpers.small_backbones import backbone, clip


def test_untrained_adapters_add_nothing() -> None:
    table = contributions(backbone("timm", method=Aim(temporal_in="all")), clip()[None])
    assert list(table.columns) == ["temporal_in", "temporal", "spatial", "joint"]
    assert list(table.index) == [0, 1, 2]
    assert (table == 0).all(axis=None)


@pytest.mark.parametrize("family", ["timm", "timm Swin", "open_clip"])
def test_an_adapter_that_adds_half_of_its_input_counts_a_half(family: str) -> None:
    net: Any = backbone(family, temporal=[1], spatial="all", joint=None)
    for block in net.blocks:
        block.spatial.forward = lambda x: 0.5 * x
    table = contributions(net, clip()[None])
    assert table["spatial"].tolist() == pytest.approx([0.5] * 3)
    assert table["temporal"].isna().tolist() == [True, False, True]


def test_what_is_added_to_the_stream_is_measured_by_the_stream() -> None:
    """In the last block, by those tokens alone that go on; after the method's scale."""
    net: Any = backbone("timm", temporal=None, spatial=None, joint="all", scale=0.5)
    entering: list[Tensor] = []
    for block in net.blocks:
        block.register_forward_pre_hook(lambda block, args: entering.append(args[0]))
        nn.init.ones_(block.joint.up.bias)  # adds ones, whatever comes in: norm sqrt(32), halved
    table = contributions(net, clip()[None])
    going_on = [*entering[:2], entering[2][:, :1]]
    expected = [0.5 * 32**0.5 / float(x.norm(dim=-1).mean()) for x in going_on]
    assert table["joint"].tolist() == pytest.approx(expected)


def test_of_an_st_adapter_the_skip_is_taken_off() -> None:
    net: Any = backbone("timm", method=StAdapter())
    assert contributions(net, clip()[None])["before_attention"].tolist() == [0, 0, 0]
    for block in net.blocks:
        nn.init.ones_(block.before_attention.up.bias)
    assert (contributions(net, clip()[None])["before_attention"] > 0).all()


def test_linear_adapters_count_beside_what_they_stand_next_to() -> None:
    net: Any = backbone("timm", method=ZeroI2V(scale=0.5))
    sites = ["before_attention", "after_attention", "before_mlp", "after_mlp"]
    assert list(contributions(net, clip()[None]).columns) == sites
    assert (contributions(net, clip()[None]) == 0).all(axis=None)
    for block in net.blocks:
        with torch.no_grad():  # the identity from 8 units, halved by the method's scale
            block.after_mlp.down.weight.copy_(torch.eye(8, 32))
            block.after_mlp.up.weight.copy_(torch.eye(32, 8))
    shares = contributions(net, clip()[None])
    assert ((shares["after_mlp"] > 0.1) & (shares["after_mlp"] < 0.5)).all()
    assert (shares[sites[:3]] == 0).all(axis=None)


def test_methods_without_branches_have_no_columns() -> None:
    for method in (Lora(), Side4Video(width=16, num_heads=2)):
        assert len(contributions(backbone("timm", method=method), clip()[None]).columns) == 0


def test_nothing_is_left_behind() -> None:
    net = backbone("timm")
    table = contributions(net, clip()[None])
    assert isinstance(table, pd.DataFrame)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    assert all(block.execution.fuse for block in net.blocks)
    assert torch.is_grad_enabled()
