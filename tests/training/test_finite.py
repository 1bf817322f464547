"""Runs that come to numbers that are not finite: they end, and leave what they had saved."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from video_adapters.model import checkpoint
from video_adapters.model.finite_weights import NotFinite, refuse_not_finite
from video_adapters.training.callbacks.finite import Finite
from video_adapters.training.schedule import WarmupCosine
from video_adapters.trust import checkpoint_file

from helpers.toy import run

SRC = Path(__file__).parents[2] / "src"
RATE = 3e-4
STEPS = 5  # of an epoch: 36 videos by 8


@pytest.fixture
def rate_explodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first epoch is as it should be; the first step of the second makes weights of 1e30."""

    def build(self: WarmupCosine, optimizer: Optimizer, steps: int, steps_per_epoch: float) -> LambdaLR:
        return LambdaLR(optimizer, lambda step: 1.0 if step < STEPS else 1e30 / RATE)

    monkeypatch.setattr(WarmupCosine, "build", build)


@pytest.mark.usefixtures("rate_explodes", "fp16_on_cpu")
@pytest.mark.parametrize(
    ("precision", "override", "message"),
    [
        ("32-true", "", r"step 7 has the loss .* a gradient of the norm .*, in precision 32-true at a rate of 1e\+30\. "
                        r"Train with a smaller optim.lr"),
        pytest.param("bf16-mixed", "", r"step 7 has .* in precision bf16-mixed at .* or trainer.precision=32-true",
                     marks=pytest.mark.slow),
        pytest.param("16-mixed", "callbacks.finite.max_skipped_steps=2",
                     r"step 7 has .* in precision 16-mixed .* skipped, 3 in a row, .*max_skipped_steps=2\. "
                     r".*bf16-mixed or 32", marks=pytest.mark.slow),
        pytest.param("16-mixed", "", r"24 of 24 videos of val got scores that are not finite",  # fewer were skipped
                     marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_a_run_that_comes_to_nan_ends_and_what_it_had_saved_stays(
    precision: str,
    override: str,
    message: str,
    shapes: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    overrides = [*shapes, "trainer.max_epochs=2", f"optim.lr={RATE}", f"trainer.precision={precision}"]
    with pytest.raises(NotFinite, match=message):
        run(tmp_path, *overrides, *([override] if override else []))
    for name in ("last.ckpt", "best.ckpt"):
        saved = torch.load(tmp_path / "checkpoints" / name, weights_only=True)
        assert saved["global_step"] == STEPS
        refuse_not_finite(saved["state_dict"], name)
    assert "finished" not in json.loads((tmp_path / "run.json").read_text())
    assert "done" not in re.sub(r"epoch.*", "", capsys.readouterr().out)


def at_step(callback: Finite, step: int, figure: float, scaler: Any = None) -> Any:
    """The trainer, after the callback has heard of a step."""
    trainer: Any = SimpleNamespace(
        global_step=step,
        is_global_zero=True,
        log_every_n_steps=1,
        precision="16-mixed",
        precision_plugin=SimpleNamespace(scaler=scaler),
    )
    module = SimpleNamespace(
        step_finished=lambda: True, step_loss=torch.tensor(1.0), gradient_norm=torch.tensor(figure), rate=1e-3
    )
    callback.on_train_batch_end(trainer, module, None, None, 0)
    return trainer


def test_fp16_may_skip_so_many_steps_in_a_row_and_a_step_in_between_begins_anew() -> None:
    callback, scaler = Finite(max_skipped_steps=2), object()
    for step, figure in enumerate([1.0, torch.inf, torch.nan, 1.0, torch.nan, torch.inf], 1):
        at_step(callback, step, figure, scaler)
    with pytest.raises(NotFinite, match=r"step 5 has the loss 1 and a gradient of the norm nan.* skipped, 3 in a row"):
        at_step(callback, 7, torch.nan, scaler)


def ended(*figures: float) -> None:
    """A run in fp16 of steps with these gradients, up to its end."""
    callback = Finite(max_skipped_steps=2)
    trainers = [at_step(callback, step, figure, object()) for step, figure in enumerate(figures, 1)]
    callback.on_train_end(trainers[-1], SimpleNamespace())


def test_a_run_that_ends_among_skipped_steps_says_so(caplog: pytest.LogCaptureFixture) -> None:
    ended(torch.inf, 1.0)
    assert not caplog.records
    ended(1.0, torch.inf, torch.nan)
    (record,) = caplog.records
    assert re.match(r"step 2 has .*; it was skipped, as were all up to the run's end, 2 steps in a row", record.message)


def test_a_run_that_made_no_step_has_failed() -> None:
    with pytest.raises(NotFinite, match=r"step 1 has .* inf, .*; this and all other steps of the run were skipped\."):
        ended(torch.inf, torch.nan)


def test_without_a_scaler_the_first_step_that_is_not_finite_is_named() -> None:
    callback = Finite(max_skipped_steps=2)
    at_step(callback, 1, 1.0)
    with pytest.raises(NotFinite, match=r"step 2 has the loss 1 and a gradient of the norm inf"):
        at_step(callback, 2, torch.inf)
    with pytest.raises(NotFinite, match="step 2 has"):  # where it is read later: nothing makes up for it
        at_step(callback, 3, 1.0)


def test_impossible_numbers_of_skipped_steps_are_refused() -> None:
    with pytest.raises(ValueError, match=r"callbacks.finite.max_skipped_steps is -1, expected at least 0"):
        Finite(max_skipped_steps=-1)


@pytest.mark.parametrize("odd", [torch.nan, torch.inf])
def test_checkpoints_of_weights_that_are_no_numbers_are_refused(odd: float, tmp_path: Path) -> None:
    """`read` stands before evaluation, recognition, export, analysis and init_from."""
    weights = {"classifier.head.linear.weight": torch.tensor([1.0, odd]), "steps": torch.tensor(3)}
    origin = checkpoint.Origin({}, ("run", "sit"), "")
    torch.save({"state_dict": weights, "origin": origin.as_dict()}, tmp_path / "best.ckpt")
    with pytest.raises(NotFinite, match=r"best.ckpt: classifier.head.linear.weight holds values that are not finite"):
        checkpoint_file.read(tmp_path / "best.ckpt")


def test_a_run_does_not_go_on_from_weights_that_are_no_numbers(shapes: list[str], tmp_path: Path) -> None:
    run(tmp_path, *shapes, "data.max_videos=4", "test=false")
    last = tmp_path / "checkpoints" / "last.ckpt"
    content = torch.load(last, weights_only=True)
    content["state_dict"]["classifier.head.linear.bias"][0] = torch.nan
    torch.save(content, last)
    with pytest.raises(NotFinite, match=r"classifier.head.linear.bias holds values that are not finite"):
        run(tmp_path, *shapes, "data.max_videos=4", "test=false", "trainer.max_epochs=2", f"resume={tmp_path}")


def command(*overrides: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(SRC)}
    started = [sys.executable, str(SRC / "train.py"), *overrides]
    return subprocess.run(started, env=environment, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_two_processes_end_together_with_status_1(shapes: list[str], tmp_path: Path) -> None:
    done = command(*shapes, "optim.lr=1e30", "trainer.devices=2", "batch.per_device=2", f"hydra.run.dir={tmp_path}")
    assert done.returncode == 1, done.stderr
    assert "step 2 has the loss" in done.stderr
    assert "Traceback" not in done.stderr
    assert "done" not in done.stdout
    assert not (tmp_path / "checkpoints" / "last.ckpt").exists()


@pytest.mark.slow
def test_a_run_that_looks_for_anomalies_trains(shapes: list[str], tmp_path: Path) -> None:
    overrides = [one for one in shapes if one != "~callbacks.speed"]
    run(tmp_path, *overrides, "data.max_videos=4", "+trainer.detect_anomaly=true", "test=false")
    assert "speed/tflop_per_s" in (tmp_path / "metrics.csv").read_text()
