"""What adapted blocks of every method have in common."""

from typing import Any

import pytest
import torch

from video_adapters.model.adapters.adapted_block import _adapted, running
from video_adapters.model.adapters.adapter import Adapter
from video_adapters.model.adapters.aim import Aim
from video_adapters.model.adapters.video_swin import VideoSwin
from video_adapters.model.backbone import Backbone
from video_adapters.model.encoders.attention import Unprojected
from video_adapters.model.encoders.pretrained import open_up

from helpers.networks import BUILDS, DEPTH, clips, network, randomise
from helpers.rounding import BLOCK, assert_rounded

D, T = 8, 4


def backbone(name: str) -> Any:
    built = Backbone(open_up(network(BUILDS[name])), Aim(temporal_in="all"), T).eval()
    randomise(built)
    return built


@pytest.mark.parametrize("activation", ["gelu", "relu"])
@pytest.mark.parametrize("scaled", [False, True])
def test_an_attentions_last_layer_and_the_first_of_an_adapter_make_one(scaled: bool, activation: str) -> None:
    adapter = Adapter(D, 0.5, activation)
    randomise(adapter)
    attended = Unprojected(torch.randn(2, 5, D), torch.randn(D, D), torch.randn(D), torch.rand(D) if scaled else None)
    torch.testing.assert_close(_adapted(adapter, attended), adapter(attended.project()))
    assert not torch.allclose(_adapted(adapter, attended), adapter(attended.mixed), atol=0.1)


@pytest.mark.parametrize("name", ["timm like DINOv2", "open_clip layer scale", "timm Swin"])
@torch.no_grad()
def test_layers_taken_for_one_and_work_left_out_change_nothing_but_rounding(name: str) -> None:
    net = backbone(name)
    lean = net(clips())
    with running(net.blocks, fuse=False, skip_dead_work=False):
        assert_rounded(net(clips()), lean, DEPTH * BLOCK)


def test_blocks_run_as_before_after_an_error() -> None:
    net = backbone("timm")
    before = [block.execution for block in net.blocks]

    def run_otherwise() -> None:
        with running(net.blocks, fuse=False):
            assert not any(block.execution.fuse for block in net.blocks)
            raise RuntimeError("within")

    with pytest.raises(RuntimeError, match="within"):
        run_otherwise()
    assert [block.execution for block in net.blocks] == before


def test_video_swins_parameters_stand_in_the_order_that_optimizers_of_older_runs_counted_them_in() -> None:
    block = Backbone(open_up(network(BUILDS["timm Swin"])), VideoSwin(window=2), T).blocks[0]
    names = [name.partition(".")[0] for name, _ in block.named_parameters()]
    assert list(dict.fromkeys(names)) == ["attention", "parts"]
