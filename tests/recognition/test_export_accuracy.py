"""Accuracy of an exported network beside float32's, on the same validation videos."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from video_adapters.data.video.frame_source import DecodeError
from video_adapters.recognition import export_accuracy
from video_adapters.recognition.export_accuracy import (
    calibration_clips,
    compare,
    mean_average_precision,
    paired_interval,
    validation_data,
)

from helpers.toy import composed

LABELS = np.array([0, 0, 1, 1, 2, 2])
BROKEN = 5


class Clips:
    """Videos of two views whose only pixel is their number."""

    def views(self, index: int) -> tuple[Tensor, str]:
        if index == BROKEN:
            raise DecodeError("clip.mp4", "broken")
        return torch.full((2, 1, 3, 1, 1), index, dtype=torch.uint8), ""


def data(label_sets: np.ndarray | None = None) -> Any:
    videos = type("Videos", (), {"labels": LABELS, "__len__": lambda self: len(LABELS)})()
    return SimpleNamespace(
        num_classes=3, label_sets=label_sets, videos=lambda use: videos, test_clips=lambda use: Clips()
    )


def naming(labels: list[int]) -> Any:
    """An opened file that gives each video one class."""
    return lambda clips: torch.eye(3)[[labels[int(clip.flatten()[0])] for clip in clips]]


def test_two_files_are_scored_on_the_same_videos_and_what_cannot_be_read_is_wrong() -> None:
    right, one_off = naming([0, 0, 1, 1, 2, 2]), naming([0, 0, 1, 1, 0, 2])
    found = compare(data(), lambda scores: scores, right, one_off)
    assert (found.metric, found.fp32, found.value) == ("top1", 5 / 6, 4 / 6)
    assert (found.videos, found.unreadable) == (6, 1)
    assert found.points == pytest.approx(-100 / 6)
    assert found.interval[0] < -1 / 6 < found.interval[1]
    same = compare(data(), lambda scores: scores, right, right)
    assert same.points == 0
    assert same.interval[0] == -same.interval[1] < 0


def test_scores_that_are_no_numbers_are_wrong() -> None:
    found = compare(
        data(), lambda scores: scores, naming([0] * 6), lambda clips: torch.full((len(clips), 3), torch.nan)
    )
    assert (found.fp32, found.value) == (2 / 6, 0)


def test_logits_become_probabilities_before_views_are_averaged() -> None:
    def logits(clips: Tensor) -> Tensor:
        return torch.tensor([[4.0, 0.0, 0.0]]).expand(len(clips), 3)

    seen: list[Tensor] = []
    compare(data(), lambda scores: seen.append(scores.softmax(-1)) or seen[-1], logits, logits)
    assert torch.stack(seen).sum(-1).allclose(torch.tensor(1.0))


def test_where_a_video_may_have_several_classes_it_is_mean_average_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_accuracy, "RESAMPLES", 20)
    sets = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0]], bool)  # labels point to these
    found = compare(data(sets), lambda scores: scores, naming([0, 0, 1, 1, 2, 2]), naming([2, 2, 1, 1, 0, 2]))
    assert found.metric == "mAP"
    assert found.interval[0] <= found.value - found.fp32 <= found.interval[1]
    # class 0: four videos without it rank level with one another, below or beside its two; class 2 the other way round
    assert found.fp32 == pytest.approx(np.mean([1, 1, 2 / 6]))


def test_mean_average_precision_is_over_the_classes_that_occur() -> None:
    scores = np.array([[0.9, 0.1, 0.5], [0.8, 0.7, 0.5], [0.1, np.nan, 0.5]])
    truth = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0]], bool)
    # class 0: hits at ranks 1 and 3; class 1: hits at ranks 1 and 3, what is no number last; class 2: none
    assert mean_average_precision(scores, truth) == pytest.approx((1 + 2 / 3) / 2)


def test_the_interval_of_a_paired_difference_is_agresti_and_mins() -> None:
    before, after = np.ones(98, bool), np.ones(98, bool)
    after[:9] = False  # nine lost, none won: with half a video in each cell 9.5 and 0.5 of 100
    half = 1.959964 * np.sqrt(10 - 81 / 100) / 100
    assert paired_interval(before, after) == pytest.approx((-0.09 - half, -0.09 + half))


def test_videos_that_cannot_be_read_measure_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise DecodeError("clip.mp4", "broken")

    monkeypatch.setattr(Clips, "views", broken)
    with pytest.raises(ValueError, match="none of the 6 validation videos can be read"):
        compare(data(), lambda scores: scores, naming([0] * 6), naming([0] * 6))


def test_calibration_takes_a_share_of_each_class_and_leaves_out_what_cannot_be_read() -> None:
    clips = list(calibration_clips(data(), 3))
    assert 2 <= len(clips) <= 3
    assert all(clip.shape == (1, 1, 3, 1, 1) for clip in clips)
    assert {int(LABELS[int(clip.flatten()[0])]) for clip in clips} >= {0, 1}
    assert len(list(calibration_clips(data(), 100))) == 5


def test_of_several_labels_calibration_takes_a_share_of_each_class_not_of_each_set() -> None:
    sets = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]], bool)
    videos = type("Videos", (), {"labels": np.arange(210) % 7})()
    several = SimpleNamespace(label_sets=sets, videos=lambda use: videos, test_clips=lambda use: Clips())
    assert 3 <= len(list(calibration_clips(several, 3))) < len(sets)


def test_validation_that_is_not_at_hand_is_refused_in_a_sentence(tmp_path: Path) -> None:
    cfg = composed("experiment=moving_shapes", f"data.root={tmp_path / 'gone'}")
    with pytest.raises(ValueError, match=r"are not at hand: .*; --data ROOT says where they are now"):
        validation_data(cfg, None, 10)
    with pytest.raises(ValueError, match=r"are not at hand"):
        validation_data(cfg, str(tmp_path / "gone"), 10)  # nothing is rendered where a folder's name is mistyped
    assert not (tmp_path / "gone").exists()
