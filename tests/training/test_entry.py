"""What commands say before Hydra reads their words."""

import sys
from pathlib import Path

import pytest

from video_adapters.training import entry
from video_adapters.training.progress import summary


def test_a_file_without_its_key_is_told_which_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "a b.ckpt"
    file.touch()
    monkeypatch.setattr(sys, "argv", ["eval.py", f"checkpoint={file}", "--help", str(tmp_path)])
    entry.expect_key_for_file("checkpoint")
    monkeypatch.setattr(sys, "argv", ["eval.py", str(file)])
    with pytest.raises(SystemExit, match=rf"{file} has to be given as checkpoint='{file}'"):
        entry.expect_key_for_file("checkpoint")


def test_a_summary_shows_names_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    summary("done", {"folder": "/videos/[a]/b[/c]"})
    assert "/videos/[a]/b[/c]" in capsys.readouterr().out
