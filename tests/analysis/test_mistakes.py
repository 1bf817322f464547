"""Question 5 on tests written by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from video_adapters.analysis.finding import Unanswerable
from video_adapters.analysis.questions import mistakes as errors
from video_adapters.analysis.questions.mistakes import Error, strip
from video_adapters.analysis.runs.test_files import Confusion, read_predictions
from video_adapters.analysis.runs.trained import load_data

NAMES = ("a", "b", "c")
COUNTS = np.array([[5, 3, 1], [0, 9, 0], [4, 0, 5]])


def confusion(unread: tuple[int, ...] = (1, 0, 0)) -> Confusion:
    return Confusion(NAMES, COUNTS, np.array(unread))


def predictions(**columns: list[object]) -> pd.DataFrame:
    rows = {"video": ["1", "2", "3", "4"], "class": ["a", "a", "b", "c"], "readable": [True, True, True, False]}
    rows |= {"correct": [True, False, False, False], "top1": ["a", "b", "c", ""]}
    return pd.DataFrame(rows | {"probability1": [0.9, 0.6, 0.8, None]} | columns)


def test_the_worst_errors_are_those_of_most_certainty() -> None:
    assert errors.worst(predictions()) == [Error("3", "b", "c", 0.8), Error("2", "a", "b", 0.6)]
    assert errors.worst(predictions(), 1) == [Error("3", "b", "c", 0.8)]


def test_confusions_stand_by_their_number() -> None:
    table = errors.confused_pairs(confusion())
    assert table.to_numpy().tolist() == [["c", "a", 4, 4 / 9], ["a", "b", 3, 0.3], ["a", "c", 1, 0.1]]


def test_the_answer_counts_errors_and_names_the_most_frequent() -> None:
    text = errors.verdict(confusion(), errors.worst(predictions()))
    assert text == (
        "9 of 28 test videos are wrong (32.1%). 1 of these could not be read. Most often 'c' is taken for 'a' "
        "(4 videos, 44% of the class). The most certain error has a probability of 80%."
    )


def test_the_matrix_shows_shares_of_each_class() -> None:
    axes, _ = errors.plot_confusion(confusion()).axes
    np.testing.assert_allclose(axes.images[0].get_array(), 100 * COUNTS / np.array([[10], [9], [9]]))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("said", "shown")


def test_of_many_classes_those_with_errors_are_drawn() -> None:
    counts = 2 * np.eye(50, dtype=int)
    counts[40, 7] = counts[3, 49] = 1
    axes, _ = errors.plot_confusion(Confusion(tuple(f"c{i}" for i in range(50)), counts, np.zeros(50, int))).axes
    shown = [label.get_text() for label in axes.get_xticklabels()]
    assert len(shown) == 20
    assert {"c3", "c7", "c40", "c49"} <= set(shown)
    assert axes.get_title() == "20 of 50 classes, those with most errors"


def test_a_strip_holds_the_frames_side_by_side() -> None:
    clip = torch.stack([torch.full((3, 20, 20), 10 * i, dtype=torch.uint8) for i in range(3)])
    picture = strip(clip)
    assert picture.shape == (20, 3 * 20 + 2, 3)  # 2 gaps of a pixel
    assert [picture[0, at].tolist() for at in (0, 20, 21, 42)] == [[0] * 3, [255] * 3, [10] * 3, [20] * 3]


def test_a_run_that_was_not_tested_has_no_errors_to_show(tmp_path: Path) -> None:
    with pytest.raises(Unanswerable, match="has not been tested"):
        errors.answer(str(tmp_path), None, tmp_path)
    with pytest.raises(ValueError, match=r"no .*predictions.csv: the run has not been tested"):
        read_predictions(tmp_path)


def test_strips_are_of_the_videos_wherever_they_lie_now(toy_runs: Path) -> None:
    run = toy_runs / "runs" / "toy" / "none"
    (first, *_) = errors.worst(read_predictions(run))
    moved = first._replace(video=f"/elsewhere/{'/'.join(Path(first.video).parts[-3:])}")
    figure = errors.plot_errors([moved, first._replace(video="gone.mp4")], load_data(run))
    there, gone = figure.axes
    assert there.images[0].get_array().shape == (40, 8 * 40 + 7 * 2, 3)  # 8 frames of 40 pixels, gaps of 2
    assert there.get_title(loc="left").startswith(f"'{first.class_name}' taken for '{first.predicted}', certainty ")
    assert gone.get_title(loc="left").endswith("(the video cannot be read)")


def test_of_several_classes_per_video_average_precisions_are_shown(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "per_class.csv").write_text(
        "class,videos,average_precision,precision,recall,threshold\n"
        "a,3,0.9000,0.5000,1.0000,0.5\nNA,1,0.4000,,0.0000,0.5\nnone,0,,,,0.5\n"
    )
    answer = errors.answer(str(tmp_path), None, tmp_path)
    assert answer.text == (
        "The mean average precision over 2 classes is 65.0%. The hardest is 'NA', with 40.0% (1 video)."
    )
    (axes,) = next(iter(answer.figures.values())).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["NA", "a"]
    assert [bar.get_width() for bar in axes.patches] == [0.4, 0.9]
    (table,) = answer.tables.values()
    assert table.loc["a", "recall"] == "100.0"
    assert not answer.panels
