"""Tables as people read them."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from video_adapters.analysis.finding import Unanswerable
from video_adapters.analysis.questions.ablation import ablation_table, answer, front, plot
from video_adapters.analysis.runs.folder import read_runs
from video_adapters.analysis.tables import percentages, presentable

from helpers.written_runs import METRICS, write_confusion, write_run, write_scored


def test_means_are_shown_with_their_spread_and_unit() -> None:
    means = {"runs": [3, 1, 1], "test/top1": [0.9666, 0.5, None], "± test/top1": [0.0041, None, None]}
    means |= {"trainable_parameters": [26956, 908, 908], "± trainable_parameters": [0, None, None]}
    table = presentable(pd.DataFrame(means | {"test/pair": [None] * 3}, index=["a", "b", "c"]))
    assert list(table.columns) == ["runs", "top-1, test (%)", "parameters that train (M)"]  # nothing is known of pairs
    assert table["top-1, test (%)"].tolist() == ["96.7 ± 0.4", "50.0", "–"]
    assert table["parameters that train (M)"].tolist() == ["0.027", "0.001", "0.001"]


def test_fractions_become_percent_and_the_rest_stays() -> None:
    table = percentages(pd.DataFrame({"top1": [0.5, 0.0104], "videos": [4, 2], "said": ["a", "b"]}))
    assert table.to_dict("list") == {"top1": ["50.0", "1.0"], "videos": [4, 2], "said": ["a", "b"]}


def test_the_ablation_has_the_best_configuration_on_top_seeds_taken_together(tmp_path: Path) -> None:
    for seed, top1 in enumerate((0.8, 0.9)):
        run = write_scored(tmp_path / f"a{seed}", top1, seed=seed, adapter__ratio=0.5)
        write_confusion(run, np.roll(np.eye(12, dtype=int), seed, axis=0))  # all right; then all one class further
    write_scored(tmp_path / "b", 0.9, adapter__ratio=0.25)
    write_run(tmp_path / "c", metrics=None)  # nothing scored yet
    table = ablation_table(read_runs(tmp_path))
    assert table.index.tolist() == ["ratio=0.25", "ratio=0.5"]
    assert table["runs"].tolist() == [1, 2]
    assert table["top-1, test (%)"].tolist() == ["90.0", "85.0 ± 7.1"]
    # one class further: class 1 is taken for 0, its reversal, 2 for 1, which is none, and so on: half of the pairs
    assert table["right pair, either direction (%)"].tolist() == ["–", "75.0 ± 35.4"]


def test_the_answer_names_the_score_that_the_best_has_and_what_was_left_out(tmp_path: Path) -> None:
    write_scored(tmp_path / "a", 0.9, seed=0)
    write_scored(tmp_path / "again", 0.8, seed=0)
    found = answer(read_runs(tmp_path))
    assert "top-1, test (%) 80.0. Left out of 2 runs: 1 repeated" in found.text
    write_run(tmp_path / "b", metrics=METRICS.replace(",0.7\n", ",\n"), test=False, adapter__ratio=0.5)
    assert "top-1, validation (%) 75.0. Left out of 3 runs: 1 repeated" in answer(read_runs(tmp_path)).text


@pytest.mark.parametrize(
    ("costs", "scores", "undominated"),
    [
        (
            [1, 2, 3, 4],
            [0.5, 0.9, 0.8, 0.95],
            [True, True, False, True],
        ),  # the third: dearer and worse
        ([1, 1, 2], [0.5, 0.6, 0.6], [False, True, False]),
        ([1, 1], [0.5, 0.5], [True, True]),  # neither is better
        ([None, 2, 3], [0.9, 0.8, None], [False, True, False]),
    ],
)
def test_what_is_as_good_and_cheaper_dominates(costs: list[Any], scores: list[Any], undominated: list[bool]) -> None:
    assert front(pd.Series(costs, dtype=float), pd.Series(scores, dtype=float)).tolist() == undominated


def test_accuracy_is_drawn_over_every_cost_that_is_known_of_some_configuration(tmp_path: Path) -> None:
    for ratio, top1, trainable in ((0.25, 0.9, 1000), (0.5, 0.8, 2000)):
        for seed in range(2):
            write_scored(tmp_path / f"{ratio} {seed}", top1 - seed / 10, trainable, seed=seed, adapter__ratio=ratio)
    runs = read_runs(tmp_path)
    (figure,) = answer(runs).figures.values()
    (panel,) = figure.axes  # these configs are of no model that could be counted
    assert panel.get_xlabel() == "parameters that train (M)"
    drawn = {c.get_label(): (*c.lines[0].get_xdata(), *c.lines[0].get_ydata()) for c in panel.containers}
    assert drawn == {"ratio=0.25": pytest.approx((0.001, 0.85)), "ratio=0.5": pytest.approx((0.002, 0.75))}
    plt.close(figure)
    assert not answer(runs[runs["config.adapter.ratio"] == 0.5]).figures  # one alone is compared with nothing


def test_a_configuration_that_cannot_be_counted_is_drawn_over_other_costs_alone() -> None:
    means = pd.DataFrame({"test/top1": [0.9, 0.8], "± test/top1": [0.1, None], "trainable_parameters": [10.0, 20.0]})
    means = means.assign(macs=pd.array([None, 3e9], dtype="Float64"), kept_bytes=[None, None])
    figure = plot(means.set_axis(["a", "b"]), "test/top1")
    assert [panel.get_xlabel() for panel in figure.axes] == ["parameters that train (M)", "GMACs a view"]
    plt.close(figure)


def test_checkpoints_steps_and_hours_are_costs_too(tmp_path: Path) -> None:
    run = write_scored(tmp_path / "a", 0.9, batch__per_step=16)
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "best.ckpt").write_bytes(b"0" * 5000)
    table = ablation_table(read_runs(tmp_path))
    assert table["checkpoint (MB)"].tolist() == ["0.005"]
    assert table["a step, on the machine that trained (ms, median)"].tolist() == ["800"]  # 16 clips at 20 clips/s


def test_times_are_medians_since_machines_have_other_work_too(tmp_path: Path) -> None:
    for seed in range(3):
        write_scored(tmp_path / f"{seed}", 0.9, seed=seed, batch__per_step=16)
    runs = read_runs(tmp_path)
    runs["clips_per_s"], runs["wall_time"] = [20.0, 16.0, 0.1], pd.to_timedelta([4, 5, 600], unit="min")
    table = ablation_table(runs)
    assert table["a step, on the machine that trained (ms, median)"].tolist() == ["1000"]
    assert table["minutes a run (median)"].tolist() == ["5.0"]


def test_without_a_score_there_is_no_ablation(tmp_path: Path) -> None:
    write_run(tmp_path / "a", metrics=None)
    with pytest.raises(Unanswerable, match="None of 1 run has been validated"):
        ablation_table(read_runs(tmp_path))


def test_runs_that_were_tested_on_validation_videos_are_compared_by_that(tmp_path: Path) -> None:
    """As those of own videos are, where nobody gave a test set."""
    metrics = METRICS.replace("test/top1", "val_as_test/top1")
    for ratio in (0.25, 0.5):
        write_run(tmp_path / str(ratio), metrics=metrics, finished="2026-01-01T13:00:00+00:00", adapter__ratio=ratio)
    table = answer(read_runs(tmp_path)).tables["Means and standard deviations over seeds"]
    title = "top-1 of validation, which chose the checkpoint, in the test's views (%)"
    assert table[title].tolist() == ["70.0", "70.0"]
