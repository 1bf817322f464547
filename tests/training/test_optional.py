"""What a run can do without does not end it."""

import errno
import logging
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from lightning.pytorch.loggers import WandbLogger

from video_adapters.data.annotations import Video, Videos
from video_adapters.training import record
from video_adapters.training.callbacks.predictions import Predictions, Scored
from video_adapters.training.loggers import wandb_run
from video_adapters.training.optional import optional


def test_what_fails_is_named_in_a_line(caplog: pytest.LogCaptureFixture) -> None:
    with optional("the picture"):
        raise RuntimeError("first line\nsecond line")
    assert [(entry.levelno, entry.message) for entry in caplog.records] == [
        (logging.WARNING, "the picture left out, the run goes on: RuntimeError: first line")
    ]


def test_ctrl_c_still_ends_it() -> None:
    with pytest.raises(KeyboardInterrupt), optional("the picture"):
        raise KeyboardInterrupt


def test_pictures_that_fail_leave_the_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    callback = Predictions(str(tmp_path))
    callback._mine = [Scored(np.array([0]), np.array([[0.2, 0.8]], np.float32), np.array([True]))]
    videos = Videos([Video("a.mp4", 1)])
    data = SimpleNamespace(videos=lambda split: videos, class_names=("run", "sit"), label_sets=None)
    logger: Any = WandbLogger.__new__(WandbLogger)
    logger._experiment = object()  # whatever is called of it, it has not
    trainer: Any = SimpleNamespace(is_global_zero=True, datamodule=data, loggers=[logger])
    callback.on_test_end(trainer, None)
    assert "W&B's tables and pictures of the test left out" in caplog.text
    names = ["confusion.csv", "per_class.csv", "predictions.csv", "probabilities.npy"]
    assert sorted(file.name for file in tmp_path.iterdir()) == names


def test_a_disk_too_full_for_the_end_of_wandb_fails_no_finished_run_and_hides_no_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def finish(exit_code: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("wandb.finish", finish)
    with wandb_run():
        pass
    assert "the end of the W&B run left out, the run goes on: OSError: [Errno 28] No space left" in caplog.text
    with pytest.raises(ValueError, match="what ended it"), wandb_run():
        raise ValueError("what ended it")


@pytest.mark.parametrize("error", [FileNotFoundError("git"), subprocess.TimeoutExpired("git", 10)])
def test_a_checkout_that_git_cannot_name_has_no_commit(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(record.subprocess, "run", fail)
    assert record._git_commit() is None
