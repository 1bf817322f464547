"""Question 1 on runs written by hand."""

from pathlib import Path

import numpy as np
import pytest

from video_adapters.analysis.finding import Unanswerable
from video_adapters.analysis.questions import ratio
from video_adapters.analysis.runs.folder import read_runs

from helpers.written_runs import METRICS, write_confusion, write_run, write_scored


@pytest.fixture
def swept(tmp_path: Path) -> Path:
    """Three ratios, two seeds each: 80, 90 and 90.5 % on average."""
    scores = {0.125: (0.75, 0.85), 0.25: (0.9, 0.9), 0.5: (0.9, 0.91)}
    for value, pair in scores.items():
        for seed, top1 in enumerate(pair):
            run = write_scored(tmp_path / f"{value}_{seed}", top1, int(8000 * value), adapter__ratio=value, seed=seed)
            write_confusion(run, 10 * np.eye(12, dtype=int))
    return tmp_path


def test_the_table_has_means_over_seeds_by_rising_ratio(swept: Path) -> None:
    (sweep,) = ratio.sweeps(read_runs(swept)).values()
    table = ratio.by_ratio(sweep)
    assert table.index.tolist() == [0.125, 0.25, 0.5]
    assert table["test/top1"].tolist() == pytest.approx([0.8, 0.9, 0.905])
    assert table["± test/top1"].tolist() == pytest.approx([0.1 / 2**0.5, 0, 0.01 / 2**0.5])
    assert table["trainable_parameters"].tolist() == [1000, 2000, 4000]
    assert table["s_per_1000"].tolist() == pytest.approx([50] * 3)  # 20 clips a second
    assert table["test/pair"].tolist() == [1, 1, 1]


def test_the_answer_is_the_smallest_ratio_within_a_point_of_the_best(swept: Path) -> None:
    answer = ratio.answer(read_runs(swept))
    assert "the best ratio is 0.5, with 90.5% on average; 0.25 is the smallest within a point of it" in answer.text
    assert answer.text.endswith("(90.0%, 0.002 M parameters). 2 seeds each.")


def test_a_point_and_a_half_is_not_given_away(tmp_path: Path) -> None:
    for value, top1 in ((0.125, 0.885), (0.25, 0.9)):
        write_scored(tmp_path / str(value), top1, adapter__ratio=value)
    assert "; 0.25 is the smallest within a point" in ratio.verdict(ratio.sweeps(read_runs(tmp_path)))


def test_the_figure_shows_accuracy_parameters_and_time_over_ratio(swept: Path) -> None:
    accuracy, trains, time = ratio.plot(ratio.sweeps(read_runs(swept))).axes
    assert accuracy.get_ylabel() == "accuracy (% of test videos)"
    assert list(accuracy.lines[0].get_ydata()) == pytest.approx([0.8, 0.9, 0.905])
    assert list(trains.lines[0].get_ydata()) == pytest.approx([0.001, 0.002, 0.004])
    assert list(time.lines[0].get_ydata()) == pytest.approx([50] * 3)
    assert [text.get_text() for text in trains.get_xticklabels()] == ["1/8", "1/4", "1/2"]


def test_sweeps_beyond_the_colours_are_drawn_too_with_another_marker(tmp_path: Path) -> None:
    for frames in range(1, 13):
        for value in (0.25, 0.5):
            write_scored(tmp_path / f"{frames}_{value}", 0.9, adapter__ratio=value, data__num_frames=frames)
    figure = ratio.plot(ratio.sweeps(read_runs(tmp_path)))
    assert len(figure.legends[0].get_texts()) == 12
    _, trains, _ = figure.axes
    means = [bars.lines[0] for bars in trains.containers]
    assert len({(line.get_color(), line.get_marker()) for line in means}) == 12


def test_runs_that_differ_in_more_are_sweeps_of_their_own(swept: Path) -> None:
    for value in (0.25, 0.5):
        write_scored(swept / f"frames_{value}", 0.7, adapter__ratio=value, data__num_frames=16)
    write_scored(swept / "alone", 0.7, adapter__ratio=0.5, data__num_frames=32)
    found = ratio.sweeps(read_runs(swept))
    assert {name: len(sweep) for name, sweep in found.items()} == {"num_frames=8": 6, "num_frames=16": 2}


def test_a_run_that_was_repeated_counts_once(swept: Path) -> None:
    write_scored(swept / "again", 0.92, adapter__ratio=0.5, seed=0)  # in place of 0.9
    answer = ratio.answer(read_runs(swept))
    assert "0.5, with 91.5% on average" in answer.text
    assert answer.text.endswith(
        "2 seeds each. Left out of 7 runs: 1 repeated later with the same configuration and seed."
    )


def test_sweeps_beside_each_other_are_compared_by_one_score(swept: Path) -> None:
    for value in (0.25, 0.5):
        run = write_run(swept / f"untested_{value}", test=False, adapter__ratio=value, data__num_frames=16)
        (run / "metrics.csv").write_text(METRICS.replace(",0.7\n", ",\n"))
    answer = ratio.answer(read_runs(swept))
    assert answer.text.count("75.0% on average") == 2
    (figure,) = answer.figures.values()
    assert figure.axes[0].get_ylabel() == "accuracy (% of validation videos)"


def test_one_ratio_is_no_sweep(tmp_path: Path) -> None:
    write_scored(tmp_path / "a", 0.9, adapter__ratio=0.25, seed=0)
    write_scored(tmp_path / "b", 0.9, adapter__ratio=0.25, seed=1)
    write_run(tmp_path / "c", metrics=METRICS.splitlines(keepends=True)[0], adapter__ratio=0.5)  # nothing scored yet
    with pytest.raises(
        Unanswerable,
        match=r"no sweep over adapter\.ratio, .* among 3 runs; .*hparams_search=ratio.*Left out of 3 runs: 1 not",
    ):
        ratio.answer(read_runs(tmp_path))
