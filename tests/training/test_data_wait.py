"""What a run says when it waits for its videos, and when it holds its tongue."""

import logging
import os
from types import SimpleNamespace
from typing import Any

import pytest
from hydra.core.hydra_config import HydraConfig

from video_adapters.training.callbacks.speed import BEARABLE, WATCHED, DataWait


def data(num_workers: int = 0) -> Any:
    return SimpleNamespace(root="/videos/my set", num_workers=num_workers)


def said(caplog: pytest.LogCaptureFixture, stretches: list[tuple[float, float]], num_workers: int = 0) -> list[str]:
    """What comes of stretches of (seconds waited, seconds)."""
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        wait = DataWait()
        for waited, seconds in stretches:
            wait.add(waited, seconds, data(num_workers))
    return caplog.messages


def test_a_run_that_waits_says_so_once_with_the_share_and_both_cures(caplog: pytest.LogCaptureFixture) -> None:
    (message,) = said(caplog, [(9, 10), *[(4, 10)] * 30])
    assert "40% of the last 60 s" in message
    assert f"data.num_workers (0 now; {len(os.sched_getaffinity(0))} core" in message
    assert "transcode --data NAME --root '/videos/my set' --to FOLDER" in message


def test_the_copy_is_made_of_the_same_lists_whatever_the_system(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")  # macOS has none
    task = ["experiment=own_videos", "data=list", "data.root=/x", "data.annotations.train=my train.txt", "optim.lr=1"]
    hydra = SimpleNamespace(runtime=SimpleNamespace(choices=SimpleNamespace(data="list")))
    hydra.overrides = SimpleNamespace(task=task)
    monkeypatch.setattr(HydraConfig, "initialized", lambda: True)
    monkeypatch.setattr(HydraConfig, "get", lambda: hydra)
    (message,) = said(caplog, [(9, 10), *[(4, 10)] * 6])
    lists = "experiment=own_videos 'data.annotations.train=my train.txt' --to FOLDER"
    assert f"--data list --root '/videos/my set' {lists}" in message


def test_more_workers_than_cores_are_not_advised(caplog: pytest.LogCaptureFixture) -> None:
    (message,) = said(caplog, [(9, 10), *[(4, 10)] * 6], num_workers=len(os.sched_getaffinity(0)))
    assert "num_workers" not in message
    assert "transcode" in message


def test_starting_up_and_short_waits_and_short_runs_are_nothing_to_speak_of(caplog: pytest.LogCaptureFixture) -> None:
    assert said(caplog, [(1000, 1000), *[(1, 10)] * 30]) == []
    assert said(caplog, [(0, 10), *[(10 * BEARABLE, 10)] * 30]) == []
    assert said(caplog, [(9, 10), (0.9 * WATCHED, 0.9 * WATCHED)]) == []
