"""The comparison of plan and card, with a stand-in for the card."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from video_adapters.training.planning.memory_check import MemoryCheck

GIB = 2**30


class Module:
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.logged: dict[str, float] = {}

    def log(self, name: str, value: float, **_: Any) -> None:
        assert name not in self.logged, "logged twice"
        self.logged[name] = value


def after(steps: list[int], check: MemoryCheck) -> Module:
    module: Any = Module()
    for step in steps:
        trainer: Any = SimpleNamespace(global_step=step)
        check.on_train_batch_end(trainer, module, None, None, 0)
    return module


def reserves(monkeypatch: pytest.MonkeyPatch, gib: float) -> None:
    """Lets a card be there on which so much was reserved."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.max_memory_reserved", lambda: int(gib * GIB))


def test_prediction_and_card_are_logged_once_after_the_second_step(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    reserves(monkeypatch, 8.4)
    check = MemoryCheck(8 * GIB)
    assert after([0, 1, 1], check).logged == {}
    with caplog.at_level(logging.INFO):
        assert after([2, 2, 3], check).logged == {
            "memory/predicted_gib": 8.0,
            "memory/reserved_gib": pytest.approx(8.4),
        }
    assert "8.00 GiB predicted, 8.40 GiB measured (+5 %)" in caplog.text
    assert caplog.records[0].levelno == logging.INFO


def test_a_prediction_that_is_far_off_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    reserves(monkeypatch, 9)
    after([2], MemoryCheck(8 * GIB))
    assert caplog.records[0].levelno == logging.WARNING
    assert "please report this" in caplog.text


def test_without_a_plan_or_a_card_nothing_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    reserves(monkeypatch, 1)
    assert after([2], MemoryCheck(None)).logged == {}
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert after([2], MemoryCheck(GIB)).logged == {}


def test_a_card_that_cannot_be_asked_ends_no_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unasked() -> int:
        raise RuntimeError("CUDA error\nin many lines")

    reserves(monkeypatch, 1)
    monkeypatch.setattr("torch.cuda.max_memory_reserved", unasked)
    assert after([2, 3], MemoryCheck(GIB)).logged == {}
    assert [record.message for record in caplog.records] == [
        "memory/* left out, the run goes on: RuntimeError: CUDA error"
    ]
