"""Runs taken together by what they were told."""

from pathlib import Path

import pandas as pd
import pytest

from video_adapters.analysis.runs.configurations import (
    alike,
    mean_and_spread,
    name_configurations,
    score_of,
    select,
    settings,
)
from video_adapters.analysis.runs.folder import read_runs

from helpers.written_runs import METRICS, write_run, write_scored

UNTESTED = "".join(line for line in METRICS.splitlines(keepends=True) if not line.startswith("6,"))


def test_seeds_and_places_on_the_disk_make_no_other_configuration(tmp_path: Path) -> None:
    for seed in range(2):
        write_run(tmp_path / f"a{seed}", seed=seed, adapter__ratio=0.5)
    write_run(tmp_path / "b", seed=0, adapter__temporal=None)
    write_run(tmp_path / "c", seed=0, adapter__temporal=None, adapter__ratio=0.5)
    runs = read_runs(tmp_path)
    assert alike(runs).tolist() == [0, 0, 1, 2]
    assert alike(runs, without=["adapter.temporal"]).tolist() == [0, 0, 1, 0]
    assert name_configurations(runs).tolist() == [
        *["ratio=0.5 temporal=all"] * 2,
        "ratio=0.25 temporal=null",
        "ratio=0.5 temporal=null",
    ]


def test_a_setting_that_is_null_is_a_setting_as_any_other(tmp_path: Path) -> None:
    write_run(tmp_path / "a", adapter__temporal=None)
    write_run(tmp_path / "b", adapter__temporal="all")
    assert settings(read_runs(tmp_path))["config.adapter.temporal"].tolist() == ["null", "all"]


def test_means_have_the_sample_standard_deviation_beside_them() -> None:
    runs = pd.DataFrame({"top1": [0.5, 0.7, 0.9, 0.4], "macs": pd.array([1, 1, 1, None], dtype="Int64")})
    table = mean_and_spread(runs, pd.Series(["b", "b", "b", "a"]), ["top1", "macs"])
    assert list(table.index) == ["b", "a"]
    assert table["runs"].tolist() == [3, 1]
    assert table["top1"].tolist() == pytest.approx([0.7, 0.4])
    assert table["± top1"]["b"] == pytest.approx(0.2)  # sqrt((0.04 + 0 + 0.04) / 2)
    assert pd.isna(table["± top1"]["a"])
    assert pd.isna(table["macs"]["a"])


def test_runs_are_compared_by_their_test_where_all_that_finished_have_one(tmp_path: Path) -> None:
    write_scored(tmp_path / "a", 0.8)
    write_run(tmp_path / "goes on", metrics=UNTESTED)
    assert score_of(read_runs(tmp_path)) == "test/top1"
    write_run(tmp_path / "b", metrics=UNTESTED, test=False)  # a comparison by the test would hide it
    assert score_of(read_runs(tmp_path)) == "best_val_top1"


def test_finished_runs_are_compared_one_per_seed_and_the_others_counted(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 1), ("again", 0)):
        write_scored(tmp_path / name, 0.8, seed=seed)
    write_scored(tmp_path / "elsewhere", 0.8, seed=0, adapter__ratio=0.5)
    write_run(tmp_path / "goes on", metrics=UNTESTED, seed=0)  # started last, it takes nobody's place
    write_run(tmp_path / "unscored", metrics=None, finished="2026-01-09T12:00:00+00:00", seed=0)
    runs = read_runs(tmp_path)
    kept, left_out = select(runs.iloc[::-1])  # in whatever order they come
    assert sorted(Path(path).name for path in kept["path"]) == ["again", "b", "elsewhere"]
    assert left_out == (
        "Left out of 6 runs: 1 not finished, 1 without test/top1, which the others are compared by, "
        "1 repeated later with the same configuration and seed."
    )
    again, nothing = select(kept)
    pd.testing.assert_frame_equal(again, kept)
    assert nothing == ""


def test_where_no_run_has_finished_all_are_compared(tmp_path: Path) -> None:
    for seed in range(2):
        write_run(tmp_path / str(seed), metrics=UNTESTED, seed=seed)
    assert len(select(read_runs(tmp_path)).runs) == 2


def test_a_mean_of_fewer_runs_than_there_are_is_missing() -> None:
    runs = pd.DataFrame({"top1": [0.5, 0.7, 0.9], "test": [0.5, 0.7, None]})
    table = mean_and_spread(runs, pd.Series(["a", "a", "a"]), ["top1", "test"])
    assert table["top1"].tolist() == pytest.approx([0.7])
    assert table[["test", "± test"]].isna().all(axis=None)
