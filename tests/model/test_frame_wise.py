"""Backbones in which nothing crosses time: a frame's features are the same whatever clip it is in."""

from typing import Any

import pytest
import torch

from video_adapters.model.adapters.adaptformer import AdaptFormer
from video_adapters.model.adapters.aim import Aim
from video_adapters.model.adapters.lora import Lora
from video_adapters.model.adapters.side4video import Side4Video
from video_adapters.model.adapters.st_adapter import StAdapter
from video_adapters.model.adapters.timesformer import TimeSformer
from video_adapters.model.adapters.zeroi2v import ZeroI2V
from video_adapters.model.backbone import Backbone
from video_adapters.model.encoders.pretrained import open_up

from helpers.networks import BUILDS, DEPTH, clips, network, randomise
from helpers.rounding import BLOCK, assert_rounded

T = 4
BY_FRAME = {
    "frozen": Aim(temporal=None, spatial=None, joint=None, final_norm=False),
    "spatial": Aim(temporal=None),
    "lora": Lora(),
    "adaptformer": AdaptFormer(),
}
OVER_TIME = {
    "aim": Aim(),
    "aim in one block": Aim(temporal=[1]),
    "st_adapter": StAdapter(),
    "zeroi2v": ZeroI2V(),
    "side4video": Side4Video(),
    "timesformer": TimeSformer(),
}


def built(method: Any, build: str = "timm", **options: Any) -> Backbone:
    backbone = Backbone(open_up(network(BUILDS[build])), method, T, **options).eval()
    randomise(backbone)
    return backbone


@pytest.mark.parametrize(
    ("method", "build"), [(name, "timm") for name in BY_FRAME] + [("spatial", "timm Swin"), ("lora", "open_clip")]
)
@pytest.mark.parametrize("reads", ["frames", "tokens"])
@torch.no_grad()
def test_frames_by_themselves_give_what_they_give_in_their_clip(method: str, build: str, reads: Any) -> None:
    backbone = built(BY_FRAME[method], build, reads=reads)
    assert backbone.frame_wise
    expected = backbone(clips()).flatten(0, 1)
    frames = clips().flatten(0, 1)
    parts = torch.cat([backbone.frame_features(part) for part in frames.split([1, 3, len(frames) - 4])])
    assert_rounded(parts, expected, DEPTH * BLOCK)


@pytest.mark.parametrize("method", OVER_TIME)
@torch.no_grad()
def test_where_something_crosses_time_a_frame_changes_the_features_of_others_and_it_is_known(method: str) -> None:
    backbone = built(OVER_TIME[method])
    assert not backbone.frame_wise
    other = clips().clone()
    other[:, -1] = 255 - other[:, -1]
    assert not torch.allclose(backbone(clips())[:, 0], backbone(other)[:, 0])


def test_frames_that_share_tokens_are_none_by_themselves() -> None:
    assert not built(BY_FRAME["spatial"], tubelet=2).frame_wise
