"""The licence of an encoder's weights: printed where it is not a free one, and kept in checkpoints."""

from pathlib import Path

import pytest
import torch

from video_adapters.features.extract import extract
from video_adapters.model.encoders import pretrained

from helpers.toy import composed, run, score


@pytest.mark.slow
def test_a_licence_that_is_not_free_is_told_by_the_extraction_of_features(
    shapes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pretrained, "licence_of", lambda build, weights: "dinov3-license")
    extract(composed(*shapes, "model=shapes_vit", "data.max_videos=2", f"features.root={tmp_path}", config="extract"))
    assert "under dinov3-license, not a free licence" in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_a_licence_that_is_not_free_is_told_by_training_and_evaluation(
    shapes: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(pretrained, "licence_of", lambda build, weights: "dinov3-license")
    run(tmp_path / "run", *shapes, "model=shapes_vit", "trainer.max_steps=1", "test=false")
    assert "under dinov3-license, not a free licence" in capsys.readouterr().out
    checkpoint = tmp_path / "run" / "checkpoints" / "last.ckpt"
    assert torch.load(checkpoint)["origin"]["licence"] == "dinov3-license"
    monkeypatch.setattr(pretrained, "licence_of", lambda build, weights: "mit")  # the checkpoint's word counts
    score(tmp_path / "eval", f"checkpoint={checkpoint}")
    assert "under dinov3-license, not a free licence" in caplog.text
