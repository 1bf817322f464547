"""Runs on videos of several classes: trained, tested, gone on with, recognised; and one label's adapters as a start."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import average_precision_score

from video_adapters.commands.signals import Interrupted
from video_adapters.data.shapes.moving_shapes import CLASS_NAMES
from video_adapters.recognition import Recognizer
from video_adapters.training.callbacks.last_checkpoint import LastCheckpoint

from helpers.toy import SHAPES, SMALL, run, score

PAIRED = [*SMALL, *SHAPES, "data=moving_shapes_pairs", "optim.lr=1e-2"]


@pytest.mark.slow
def test_a_run_of_several_labels_chooses_thresholds_and_tells_what_it_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paired = [*PAIRED, f"data.root={tmp_path / 'data'}"]
    scores = run(tmp_path / "run", *paired, "trainer.max_epochs=2")
    assert {"val/mAP", "test/mAP", "test/loss"} <= scores.keys()
    assert not any("top1" in name for name in scores)
    assert "val mAP" in capsys.readouterr().out
    best = tmp_path / "run" / "checkpoints" / "best.ckpt"
    thresholds = torch.load(best)["origin"]["thresholds"]
    assert len(thresholds) == 12
    folder = tmp_path / "run" / "test"
    assert not (folder / "confusion.csv").exists()
    table, chances = pd.read_csv(folder / "predictions.csv"), np.load(folder / "probabilities.npy")
    shown = np.array([[name in classes.split("|") for name in CLASS_NAMES] for classes in table["class"]])
    assert (shown.sum(1) == 2).all()
    named = [set(str(cell).split("|")) - {"nan"} for cell in table["named"]]
    assert named == [{n for n, p, t in zip(CLASS_NAMES, row, thresholds, strict=True) if p >= t} for row in chances]
    precisions = pd.read_csv(folder / "per_class.csv")["average_precision"]
    assert precisions.to_list() == pytest.approx(
        [average_precision_score(shown[:, c], chances[:, c]) for c in range(12)], abs=1e-4
    )
    assert scores["test/mAP"] == pytest.approx(precisions.mean(), abs=1e-4)
    again = score(tmp_path / "eval", f"checkpoint={best}")
    assert again["test/mAP"] == pytest.approx(scores["test/mAP"])
    recognizer = Recognizer.from_checkpoint(best, device="cpu")
    assert recognizer.thresholds == tuple(thresholds)
    prediction = recognizer(table["video"][0])
    np.testing.assert_allclose(prediction.probabilities, chances[0], atol=1e-5)
    assert {name for name, _ in prediction.named()} == named[0]


@pytest.mark.slow
def test_a_stopped_run_goes_on_with_its_thresholds_and_balanced_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paired = [*PAIRED, f"data.root={tmp_path / 'data'}", "test=false", "data.balanced=true"]
    settings = ["loss.class_weights=balanced", "loss.logit_adjustment=0.5", "trainer.max_epochs=2"]
    whole = run(tmp_path / "whole", *paired, *settings)
    hook = LastCheckpoint.on_train_batch_end

    def stopped(self: LastCheckpoint, trainer: Any, module: Any, *rest: Any) -> None:
        if trainer.global_step == 7 and module.step_finished():  # amid the second epoch
            os.kill(os.getpid(), signal.SIGTERM)
        hook(self, trainer, module, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(LastCheckpoint, "on_train_batch_end", stopped)
        with pytest.raises(Interrupted):
            run(tmp_path / "run", *paired, *settings)
    again = run(tmp_path / "run", *paired, *settings, f"resume={tmp_path / 'run'}")
    assert again["val/mAP"] == pytest.approx(whole["val/mAP"], abs=1e-6)
    one, two = (torch.load(tmp_path / name / "checkpoints" / "last.ckpt")["origin"] for name in ("whole", "run"))
    assert one["thresholds"] == pytest.approx(two["thresholds"])


@pytest.mark.slow
def test_adapters_of_one_label_start_a_run_of_several_whose_head_is_new(
    shapes: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(tmp_path / "one", *shapes, "test=false")
    best = tmp_path / "one" / "checkpoints" / "best.ckpt"
    caplog.set_level("INFO")
    run(tmp_path / "two", *PAIRED, f"data.root={tmp_path / 'data'}", f"init_from={best}", "test=false")
    assert "new head" in caplog.text
    with pytest.raises(ValueError, match=r"data.labels=one, but MovingShapes .* gives videos sets of classes"):
        run(tmp_path / "three", *PAIRED, f"data.root={tmp_path / 'data'}", "data.labels=one")
