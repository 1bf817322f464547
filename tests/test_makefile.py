"""`make ablation`, where jobs failed and where none did, and `make help`."""

import os
import re
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
PYTHON = """#!/bin/sh
echo "$*" >> {calls}
case "$*" in *hparams_search=ablation*) exit {status};; esac
"""
LADDER, RATIOS, REPORT = "hparams_search=ablation", "adapter.ratio=", "src/report.py"


@pytest.mark.parametrize(
    ("target", "status", "expected"),
    [
        ("ablation", 0, [LADDER, RATIOS, REPORT]),
        ("ablation", 1, [LADDER, RATIOS, REPORT]),  # a job failed
        ("ablation", 130, [LADDER]),  # Ctrl-C
        ("ablation-quick", 1, [LADDER, REPORT]),
    ],
)
def test_an_ablation_goes_on_after_a_failed_job_and_ends_with_an_error(
    target: str, status: int, expected: list[str], tmp_path: Path
) -> None:
    python, calls = tmp_path / "bin" / "python", tmp_path / "calls"
    python.parent.mkdir()
    python.write_text(PYTHON.format(calls=calls, status=status))
    python.chmod(0o755)
    (tmp_path / ".ready").touch()  # as if installed
    command = ["make", target, f"VENV={tmp_path}"]
    done = subprocess.run(command, cwd=PROJECT, env={**os.environ, "LOG_DIR": "/elsewhere"}, capture_output=True)
    assert (done.returncode == 0) == (status == 0)
    said = calls.read_text().splitlines()
    assert len(said) == len(expected)
    assert all(
        part in line and "logs/sweeps/ablation_crowded" in line for part, line in zip(expected, said, strict=True)
    )


def test_help_lists_every_target_with_what_it_does() -> None:
    targets = re.search(r"^\.PHONY: (.*)$", (PROJECT / "Makefile").read_text(), re.M)
    assert targets
    make = ["make", "--no-print-directory"]  # which `make test`, around this, would have it print
    listed = subprocess.run(make, cwd=PROJECT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert sorted(line.split()[1] for line in listed) == sorted(targets[1].split())
    assert len({re.match(r"  make \S+ +", line).end() for line in listed}) == 1  # type: ignore[union-attr]
