"""The README's pictures are drawn by the command that says so, and are small."""

import runpy
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
PICTURES = PROJECT / "docs" / "pictures"


def test_the_command_draws_the_pictures_that_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["pictures.py", "--out", str(tmp_path)])
    runpy.run_path(str(PROJECT / "docs" / "pictures.py"), run_name="__main__")
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn == {
        f"{name}-{theme}{end}" for name, end in (("block", ".svg"), ("motion", ".png")) for theme in ("light", "dark")
    }
    assert drawn == {path.name for path in PICTURES.iterdir()}


def test_the_pictures_stay_small() -> None:
    assert sum(path.stat().st_size for path in PICTURES.iterdir()) < 300_000
