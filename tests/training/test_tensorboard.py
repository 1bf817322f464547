"""What TensorBoard is told, read back from a run's event files; and a machine without it."""

import importlib.util
from pathlib import Path

import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from video_adapters.training.problems import problems

from helpers.toy import composed, run, score


def test_a_run_logs_for_tensorboard_what_it_logs_in_its_csv(
    shapes: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, *shapes, "logger=tensorboard", "data.max_videos=16")
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    rows = pd.read_csv(tmp_path / "metrics.csv")
    for name in ("train/loss", "val/top1", "test/top1", "test/top1_low"):
        assert [event.value for event in events.Scalars(name)] == pytest.approx(rows[name].dropna().tolist(), rel=1e-5)
    assert "test/worst/1" in events.Tags()["images"]
    assert f"tensorboard --logdir {tmp_path / 'tensorboard'}" in capsys.readouterr().out


def test_without_the_package_a_sentence_says_how_to_get_it_before_anything_is_left(
    shapes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs the package tensorboard: pip install -e '\.\[tensorboard\]'"):
        run(tmp_path / "run", *shapes, "logger=tensorboard")
    assert not (tmp_path / "run").exists()
    with pytest.raises(ValueError, match="needs the package tensorboard"):
        score(tmp_path, "checkpoint=best.ckpt", "logger=tensorboard")
    assert any(
        "needs the package" in problem for problem in problems(composed(*shapes, "logger=tensorboard", "run_dir=."))
    )
