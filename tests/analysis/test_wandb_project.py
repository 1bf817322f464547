"""Runs of a W&B project, from a stand-in of its API."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import wandb
from omegaconf import OmegaConf

from video_adapters.analysis.runs import wandb_project as projects
from video_adapters.analysis.runs.folder import read_metrics, read_runs
from video_adapters.analysis.runs.labels import labels
from video_adapters.analysis.runs.wandb_project import read_wandb

from helpers.written_runs import write_run


def stored(folder: Path, **changes: Any) -> SimpleNamespace:
    """What W&B would hold of a run's folder."""
    config: Any = OmegaConf.to_container(OmegaConf.load(folder / "config.yaml"))
    record = json.loads((folder / "run.json").read_text())
    rows = read_metrics(folder).reset_index(names="trainer/global_step")
    history = [row.dropna().to_dict() for _, row in rows.iterrows()]
    history.insert(2, {"_step": 2, "test/confusion": {"_type": "table"}})  # a picture has no step of training
    run = {"url": f"https://wandb.ai/me/shapes/runs/{folder.name}", "state": "finished", "commit": "abc"}
    run |= {"config": config | record | {"torch": "2.9"}, "summary": {"_runtime": 90.0}}
    return SimpleNamespace(**(run | changes), scan_history=lambda: iter(history))


def api(*runs: SimpleNamespace) -> SimpleNamespace:
    return SimpleNamespace(runs=lambda project: {"me/shapes": iter(runs)}[project])


def test_a_project_reads_like_a_folder(tmp_path: Path) -> None:
    first, second = (write_run(tmp_path / name, seed=seed) for name, seed in (("a", 0), ("b", 1)))
    there = read_wandb("me/shapes", api(stored(second), stored(first, state="running")))
    here = read_runs(tmp_path)
    same = ["name", "started", "steps", "best_val_top1", "best_epoch", "test/top1", "clips_per_s", "data_wait"]
    same += ["peak_memory_gib", "git_commit", "overrides", "config.adapter.ratio", "config.seed"]
    pd.testing.assert_frame_equal(there[same], here[same])
    assert list(there["path"]) == [f"https://wandb.ai/me/shapes/runs/{name}" for name in "ab"]
    assert list(there["finished"]) == [False, True]
    assert list(there["wall_time"]) == [pd.Timedelta("90s")] * 2
    assert labels(there) == labels(here)


def test_runs_of_other_code_are_passed_over(tmp_path: Path) -> None:
    ours = stored(write_run(tmp_path / "a"))
    assert len(read_wandb("me/shapes", api(SimpleNamespace(config={"lr": 1}), ours))) == 1
    with pytest.raises(ValueError, match="holds no run of this code"):
        read_wandb("me/shapes", api(SimpleNamespace(config={"lr": 1})))


@pytest.mark.parametrize("change", [{"started": [1]}, {"name": None}, {"choices": 3, "started": "no time"}])
def test_a_run_of_another_form_is_named_and_the_others_are_read(tmp_path: Path, change: dict[str, Any]) -> None:
    ours, other = (stored(write_run(tmp_path / name)) for name in "ab")
    other.config = {key: value for key, value in (other.config | change).items() if value is not None}
    with pytest.warns(UserWarning, match=r"1 of 2 runs are refused:\n  https://wandb.ai/me/shapes/runs/b: "):
        assert len(read_wandb("me/shapes", api(ours, other))) == 1


def test_a_run_that_has_logged_nothing_yet_is_there(tmp_path: Path) -> None:
    run = stored(write_run(tmp_path / "a"))
    run.scan_history = lambda: iter([])
    (row,) = read_wandb("me/shapes", api(run)).to_dict("records")
    assert row["steps"] == 0


@pytest.mark.parametrize("error", [wandb.errors.CommError("no such host\nand more"), ConnectionError("no such host")])
def test_without_a_network_it_says_what_is_missing(error: Exception) -> None:
    def unreachable(project: str) -> Any:
        raise error

    with pytest.raises(ValueError, match=r"'me/shapes' cannot be read: no such host\. Its name is"):
        read_wandb("me/shapes", SimpleNamespace(runs=unreachable))


def test_without_a_key_it_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projects.wandb, "login", lambda prompt: prompt)
    with pytest.raises(ValueError, match="cannot be read: there is no key"):
        read_wandb("me/shapes")
