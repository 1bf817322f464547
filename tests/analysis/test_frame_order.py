"""Frames in another order: which frame goes where, and what is made of the scores."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from video_adapters.analysis.finding import Unanswerable
from video_adapters.analysis.measures.frame_order import (
    Scored,
    by_class,
    by_order,
    orders,
    reordered,
    right_of_pair,
    score_orders,
    shuffled,
)
from video_adapters.analysis.questions.time import plot_classes, plot_orders, verdict
from video_adapters.analysis.runs.trained import load_run
from video_adapters.data.dataset import Batch
from video_adapters.data.shapes.moving_shapes import CLASS_NAMES

from helpers.rounding import BLOCK, rounding


def numbered(videos: int, frames: int = 8) -> Tensor:
    """Clips (B, 1, T, 1, 1, 1) whose pixels are video * 100 + frame."""
    return (100 * torch.arange(videos)[:, None] + torch.arange(frames)).view(videos, 1, frames, 1, 1, 1)


def frames_of(clips: Tensor) -> list[list[int]]:
    return clips.flatten(1).tolist()


def test_orders_move_frames_and_nothing_else() -> None:
    clips, videos = numbered(2, 4), torch.tensor([7, 3])
    moved = {name: frames_of(reordered(clips, videos, draws[0])) for name, draws in orders().items()}
    assert moved["as filmed"] == [[0, 1, 2, 3], [100, 101, 102, 103]]
    assert moved["reversed"] == [[3, 2, 1, 0], [103, 102, 101, 100]]
    assert moved["one frame"] == [[2] * 4, [102] * 4]


def test_shuffles_depend_on_seed_and_video_alone() -> None:
    clips = numbered(3)
    videos = torch.tensor([7, 3, 5])
    first = frames_of(reordered(clips, videos, shuffled(0)))
    assert [sorted(frames) for frames in first] == frames_of(clips)
    assert frames_of(reordered(clips, videos, shuffled(0))) == first
    assert frames_of(reordered(clips[1:], videos[1:], shuffled(0))) == first[1:]  # not on the batch
    assert frames_of(reordered(clips, videos, shuffled(1))) != first
    assert [f - 100 * (f // 100) for f in first[0]] != [f - 100 * (f // 100) for f in first[1]]


def scored(**said: list[list[int]]) -> Scored:
    """Videos of classes 0, 0, 1, 2, and what was said of each, in one or more draws by order."""
    labels = np.array([0, 0, 1, 2])
    chances = {name.replace("_", " "): np.eye(12)[np.array(draws)] for name, draws in said.items()}
    return Scored(CLASS_NAMES, labels, chances)


EXAMPLE = scored(
    as_filmed=[[0, 0, 1, 2]],
    shuffled=[[0, 1, 5, 2], [1, 1, 1, 2]],
    reversed=[[1, 1, 0, 2]],
    one_frame=[[9, 0, 9, 9]],
)


def test_each_order_says_how_often_class_and_reversal_are_named() -> None:
    table = by_order(EXAMPLE)
    assert table["top1"].to_dict() == {"as filmed": 1, "shuffled": 4 / 8, "reversed": 1 / 4, "one frame": 1 / 4}
    assert table["its reversal"].to_dict() == {"as filmed": 0, "shuffled": 3 / 8, "reversed": 3 / 4, "one frame": 0}
    assert table["another class"]["one frame"] == 3 / 4


def test_the_choice_within_the_pair_leaves_all_other_classes_out() -> None:
    chances = np.full((1, 4, 12), 0.01)
    chances[0, :, 9] = 0.8  # what is said
    chances[0, 0, [0, 1]] = 0.05, 0.02
    chances[0, 1, [0, 1]] = 0.02, 0.05
    chances[0, 2, [0, 1]] = 0.02, 0.05
    chances[0, 3, [2, 3]] = 0.05, 0.02
    one = Scored(CLASS_NAMES, np.array([0, 0, 1, 2]), {"shuffled": chances})
    assert right_of_pair(one, "shuffled").tolist() == [[True, False, True, True]]


def test_classes_stand_by_what_shuffling_costs_them() -> None:
    table = by_class(EXAMPLE)
    # class 0: 1 of 4 right, class 1: 1 of 2, class 2: all
    assert list(table.index) == [CLASS_NAMES[0], CLASS_NAMES[1], CLASS_NAMES[2]]
    assert table["loss"].tolist() == [0.75, 0.5, 0]
    assert table["reversed, taken for"].tolist() == [CLASS_NAMES[1], CLASS_NAMES[0], CLASS_NAMES[2]]


def test_without_known_reversals_there_is_no_choice_within_pairs() -> None:
    other = EXAMPLE._replace(class_names=tuple(f"class {i}" for i in range(12)))
    assert list(by_order(other).columns) == ["top1"]
    with pytest.raises(ValueError, match="nobody knows which of the classes class 0, class 1"):
        right_of_pair(other, "shuffled")
    assert "its reversal" not in [text.get_text() for text in plot_orders(other).legends[0].get_texts()]


def test_the_figures_show_the_table() -> None:
    bars = [bar.get_width() for bar in plot_orders(EXAMPLE).axes[0].patches]
    assert bars[:4] == pytest.approx([1, 4 / 8, 1 / 4, 1 / 4])
    assert bars[4:8] == pytest.approx([0, 3 / 8, 3 / 4, 0])
    axes = plot_classes(EXAMPLE).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(by_class(EXAMPLE).index)
    assert axes.get_xlabel() == "accuracy (% of the class's test videos)"


def test_of_many_classes_the_most_temporal_and_the_most_static_are_drawn() -> None:
    labels = np.arange(40)
    right = np.eye(40)
    shuffled = right.copy()
    shuffled[:20] = np.roll(right, 1, axis=1)[:20]  # the first half loses all
    names = tuple(f"c{i}" for i in labels)
    many = Scored(names, labels, {k: right[None] for k in ("as filmed", "reversed", "one frame")})
    many.probabilities["shuffled"] = shuffled[None]
    shown = [label.get_text() for label in plot_classes(many).axes[0].get_yticklabels()]
    assert shown == [*(f"c{i}" for i in range(6)), *(f"c{i}" for i in range(34, 40))]


def test_the_answer_says_yes_where_shuffling_costs_and_hardly_where_not() -> None:
    assert verdict(EXAMPLE).startswith(
        "Yes: top-1 is 100.0% as filmed, 50.0% with shuffled frames, 25.0% with reversed"
    )
    blind = scored(**{name: [[0, 0, 1, 2]] for name in ("as_filmed", "shuffled", "reversed", "one_frame")})
    assert verdict(blind).startswith("Hardly: ")


def test_a_runs_videos_as_filmed_score_what_its_test_wrote(toy_runs: Path) -> None:
    run = toy_runs / "runs" / "toy" / "aim"
    found = score_orders(load_run(run, device="cpu"), orders(2))
    written = np.load(run / "test" / "probabilities.npy")
    np.testing.assert_allclose(found.probabilities["as filmed"][0], written, rtol=0, atol=rounding(4 * BLOCK))
    assert found.probabilities["shuffled"].shape == (2, *written.shape)
    assert found.labels.tolist() == [label for label in range(12) for _ in range(2)]


def test_videos_of_which_none_can_be_read_are_said_to_be_so() -> None:
    one = torch.zeros(1)
    batch = Batch(torch.zeros(1, 1, 8, 3, 2, 2), one.long(), one + 1, one.long(), one.bool(), ["gone.mp4"])
    data = SimpleNamespace(test_dataloader=lambda: [batch], labels="one")
    trained: Any = SimpleNamespace(run="logs/a", data=data)
    with pytest.raises(Unanswerable, match="None of the test videos of the run logs/a can be read"):
        score_orders(trained)


def test_a_model_of_stills_notices_no_order(toy_runs: Path) -> None:
    found = score_orders(load_run(toy_runs / "runs" / "toy" / "none", device="cpu"), orders(1)).probabilities
    for order in ("shuffled", "reversed"):
        np.testing.assert_allclose(found[order], found["as filmed"], rtol=0, atol=rounding(4 * BLOCK))
    assert np.abs(found["one frame"] - found["as filmed"]).max() > 1e-4
