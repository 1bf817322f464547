"""Runs whose head is made of class names: without training, trained, and rebuilt from their checkpoints."""

import logging
from pathlib import Path

import pytest
import torch

from video_adapters.model.encoders import text_tower
from video_adapters.recognition.load import load

from helpers.toy import run, score

NAMES = ["model=toy_clip", "head=names", "adapter=frozen"]


@pytest.fixture
def shapes(shapes: list[str]) -> list[str]:
    return [*shapes, "data.max_videos=8"]  # a step is enough here


def test_without_training_it_is_scored_and_kept_and_its_checkpoint_needs_no_text_tower(
    shapes: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with caplog.at_level(logging.INFO):
        scores = run(tmp_path / "run", *shapes, *NAMES, "trainer.max_epochs=0", "head.prompts=['{} in a video']")
    assert "classes in words (head.names=... changes them): moving right, moving left" in caplog.text
    assert {"val/top1", "test/top1"} <= scores.keys()
    best = tmp_path / "run" / "checkpoints" / "best.ckpt"
    kept = torch.load(best, weights_only=True)["state_dict"]
    assert {name.removeprefix("classifier.head.") for name in kept} == {"linear.weight", "linear.bias", "log_scale"}
    monkeypatch.setattr(text_tower, "built", None)  # nothing reads texts again
    assert score(tmp_path / "eval", f"checkpoint={best}")["test/loss"] == pytest.approx(scores["test/loss"], rel=1e-6)
    head = load(best).classifier.head
    assert torch.equal(head.linear.weight, kept["classifier.head.linear.weight"])


@pytest.mark.slow
@pytest.mark.parametrize("frozen", [True, False])
def test_it_trains_from_there_and_goes_on(shapes: list[str], tmp_path: Path, frozen: bool) -> None:
    rows = []
    method = ["model=toy_clip", "head=names", "adapter=aim", f"head.frozen={frozen}", "optim.lr=0.01"]
    run(tmp_path / "start", *shapes, *method, "trainer.max_epochs=0", "test=false")
    run(tmp_path / "run", *shapes, *method, "test=false")
    run(tmp_path / "run", f"resume={tmp_path / 'run'}", "trainer.max_epochs=2", "test=false")
    for folder in ("start", "run"):
        content = torch.load(tmp_path / folder / "checkpoints" / "best.ckpt", weights_only=True)
        rows.append(content["state_dict"]["classifier.head.linear.weight"])
    assert torch.equal(*rows) == frozen
    torch.testing.assert_close(*rows, atol=0.2, rtol=0)
