"""Runs of earlier versions (tests/old_runs, made before targets moved): they are scored, go on, and are reported."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml

from video_adapters.analysis.report import Request, write
from video_adapters.analysis.runs.counted_costs import with_costs
from video_adapters.analysis.runs.folder import read_runs
from video_adapters.recognition import Recognizer
from video_adapters.trust.checkpoint_file import read
from video_adapters.trust.config_file import read_config

from helpers.toy import run, score

OLD = Path(__file__).parents[1] / "old_runs"
FINISHED = ("full_tuning", "lora", "swin")
GONE_ON = {"val/top1": 1 / 6, "test/top1": 1 / 24, "test/top5": 7 / 12, "test/loss": 2.42004}
"""What the earlier version reached where `stopped` went on with it."""


def record(name: str) -> Any:
    return json.loads((OLD / name / "run.json").read_text())


def root_of(shapes: list[str]) -> str:
    return next(one for one in shapes if one.startswith("data.root="))


@pytest.mark.parametrize("name", FINISHED)
def test_a_checkpoint_scores_what_it_scored(name: str, shapes: list[str], tmp_path: Path) -> None:
    scores = score(tmp_path, f"checkpoint={OLD / name / 'checkpoints' / 'best.ckpt'}", root_of(shapes))
    before = {key: value for key, value in record(name)["scores"].items() if key.startswith("test/")}
    assert {key: scores[key] for key in before} == pytest.approx(before, abs=1e-4)
    now, then = (pd.read_csv(folder / "predictions.csv") for folder in (tmp_path, OLD / name / "test"))
    assert now["top1"].equals(then["top1"])


def test_a_stopped_run_goes_on_to_what_it_would_have_reached(shapes: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "stopped"
    shutil.copytree(OLD / "stopped", folder)
    scores = run(folder, f"resume={folder}", root_of(shapes))
    assert {key: scores[key] for key in GONE_ON} == pytest.approx(GONE_ON, abs=1e-4)
    assert read(folder / "checkpoints" / "last.ckpt")["global_step"] == 15


def test_a_checkpoint_starts_a_new_run(shapes: list[str], tmp_path: Path) -> None:
    path = OLD / "lora" / "checkpoints" / "best.ckpt"
    as_then = [one for one in record("lora")["overrides"] if not one.startswith(("name=", "published=", "data.root="))]
    still = ["optim.lr=1e-12", "trainer.max_epochs=1", "data.max_videos=8", "test=false"]
    run(tmp_path, *as_then, root_of(shapes), *still, f"init_from={path}")
    before, after = (read(one)["state_dict"] for one in (path, tmp_path / "checkpoints" / "best.ckpt"))
    assert after.keys() == before.keys()
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, atol=1e-8, rtol=0)


def test_a_checkpoint_recognises_videos(shapes: list[str]) -> None:
    then = pd.read_csv(OLD / "swin" / "test" / "predictions.csv").iloc[0]
    root = Path(root_of(shapes).partition("=")[2])
    recognizer = Recognizer.from_checkpoint(OLD / "swin" / "checkpoints" / "best.ckpt", device="cpu")
    best, *_ = recognizer(root / Path(then["video"]).relative_to("/tmp/runs/shapes")).top(5)
    assert best == (then["top1"], pytest.approx(then["probability1"], abs=1e-4))


def test_folders_are_read_and_counted() -> None:
    runs = read_runs(OLD).set_index("name", drop=False)
    assert set(runs.index) == {"stopped", *FINISHED}
    for name in FINISHED:
        assert runs.loc[name, "test/top1"] == record(name)["scores"]["test/top1"]
    assert with_costs(runs.loc[["lora"]])["macs"].notna().all()


@pytest.mark.slow
def test_the_report_answers_of_them(shapes: list[str], tmp_path: Path) -> None:
    root = Path(root_of(shapes).partition("=")[2])
    request = Request(runs=OLD, run=OLD / "swin", data_root=root, max_videos=2)
    missing = write(request, tmp_path / "report.html", lambda question: None)
    assert missing.warnings == []
    assert all("vary them" in why or "makes one" in why for why in missing.left_out.values())  # no error among them


def test_keys_that_went_are_dropped() -> None:
    old = yaml.safe_load((OLD / "lora" / "config.yaml").read_text())
    assert "published" in old
    assert read_config(OLD / "lora").keys() == old.keys() - {"published"}
