"""Adapters carried over to clips of another number of frames."""

import pytest
import torch

from video_adapters.model.adapters.aim import Aim
from video_adapters.model.backbone import Backbone
from video_adapters.model.classifier import VideoClassifier
from video_adapters.model.encoders.pretrained import open_up
from video_adapters.model.heads.linear_in_order import LinearInOrderHead
from video_adapters.model.heads.map import MapHead
from video_adapters.model.heads.mean import MeanHead
from video_adapters.model.resize_time import resize_bias, resize_embedding, resize_time, resize_weight, time_weights

from helpers.networks import network, timm_swin, timm_vit


@pytest.mark.parametrize(("before", "now"), [(8, 16), (8, 32), (16, 8), (8, 12), (1, 4), (4, 1)])
def test_the_embedding_is_resized_as_torch_resizes_a_signal(before: int, now: int) -> None:
    embedding = torch.randn(1, before, 6)
    expected = torch.nn.functional.interpolate(embedding.mT, now, mode="linear").mT
    torch.testing.assert_close(resize_embedding(embedding, now), expected)


def test_what_grows_evenly_over_the_clip_still_does() -> None:
    ramp = torch.arange(8).float().add(0.5).div(8).view(1, 8, 1)  # the place in the clip of each frame's middle
    inner = resize_embedding(ramp, 16)[0, 1:-1, 0]
    torch.testing.assert_close(inner, torch.arange(16).float().add(0.5).div(16)[1:-1])


def test_the_bias_keeps_its_value_for_the_same_distance_in_the_clip() -> None:
    before, now = 8, 16
    table = torch.randn(2 * before - 1, 3)
    resized = resize_bias(table, now)
    assert resized.shape == (2 * now - 1, 3)
    for distance in range(1 - before, before):  # twice as many frames: twice as far apart
        torch.testing.assert_close(resized[2 * distance + now - 1], table[distance + before - 1])
    torch.testing.assert_close(resized[now], (table[before - 1] + table[before]) / 2)  # half a frame apart, then
    assert torch.equal(resized[-1], table[-1])


@pytest.mark.parametrize("now", [1, 4, 16])
def test_a_bias_that_is_a_function_of_distance_stays_that_function(now: int) -> None:
    before = 8
    slopes = torch.arange(1 - before, before).float()[:, None] / before
    expected = (torch.arange(1 - now, now).float()[:, None] / now).clamp(-(before - 1) / before, (before - 1) / before)
    torch.testing.assert_close(resize_bias(slopes, now), expected)


def test_the_same_number_of_frames_changes_nothing() -> None:
    embedding, table = torch.randn(1, 8, 4), torch.randn(15, 2)
    assert torch.equal(resize_embedding(embedding, 8), embedding)
    assert torch.equal(resize_bias(table, 8), table)


def test_what_depends_on_the_frames_is_resized_to_fit_and_nothing_else() -> None:
    def swin(num_frames: int) -> VideoClassifier:
        backbone = Backbone(open_up(network(timm_swin())), Aim(temporal="even", time_bias=True), num_frames, tubelet=2)
        return VideoClassifier(backbone, MeanHead(backbone.width, 5))

    before, now = swin(8), swin(16)
    weights = {name: p.detach() + torch.randn_like(p) for name, p in before.trainable().items()}
    resized = resize_time(weights, now)
    assert {name: tuple(v.shape) for name, v in resized.items()} == {
        n: tuple(p.shape) for n, p in now.trainable().items()
    }
    changed = {name for name, value in resized.items() if value is not weights[name]}
    biases = {f"backbone.blocks.{i}.time_bias.table" for i in (0, 2)}
    assert changed == set(time_weights(now)) == {"backbone.temporal_embedding"} | biases


def test_learned_positions_of_a_head_are_resized_too() -> None:
    def model(num_frames: int) -> VideoClassifier:
        backbone = Backbone(open_up(network(timm_vit())), Aim(temporal=None), num_frames)
        return VideoClassifier(backbone, MapHead(backbone.width, 5, num_frames, positions="learned"))

    before, now = model(8), model(16)
    resized = resize_time(before.learned(), now)
    torch.testing.assert_close(resized["head.positions"], resize_embedding(before.head.positions, 16))
    assert set(time_weights(now)) == {"head.positions"}


@pytest.mark.parametrize("now", [4, 12, 16])
def test_a_head_that_reads_frames_in_order_scores_a_still_clip_as_before(now: int) -> None:
    def model(num_frames: int) -> VideoClassifier:
        backbone = Backbone(open_up(network(timm_vit())), Aim(temporal=None), num_frames)
        return VideoClassifier(backbone, LinearInOrderHead(backbone.width, 5, num_frames))

    before, after = model(8), model(now)
    width = before.backbone.width
    for statistic in (before.head.standardise.mean, before.head.standardise.var):
        statistic.copy_(torch.rand(width).add(0.5).repeat(8))
    resized = resize_time(before.learned(), after)
    assert set(time_weights(after)) == {"head.linear.weight", "head.standardise.mean", "head.standardise.var"}
    assert not after.load_state_dict(resized, strict=False).unexpected_keys
    still = torch.randn(3, 1, width)
    scores = (head.eval()(still.expand(-1, times, -1)) for head, times in ((before.head, 8), (after.head, now)))
    torch.testing.assert_close(*scores)


def test_its_weights_stay_at_their_place_in_the_clip() -> None:
    ramp = torch.arange(8).float().add(0.5).div(8).repeat_interleave(3)[None]  # D 3
    resized = resize_weight(ramp, 16, 3).unflatten(1, (16, 3))
    torch.testing.assert_close(2 * resized[0, 1:-1, 2], torch.arange(16).float().add(0.5).div(16)[1:-1])
