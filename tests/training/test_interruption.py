"""Real processes, really killed: what the user sees and types when a run is interrupted."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from helpers.toy import SHAPES, SMALL

SRC = Path(__file__).parents[2] / "src"
RANDOM = ["head.dropout=0.3", "adapter.drop_path=0.3", "data.num_workers=2"]
LONG = ["trainer.max_epochs=6", "callbacks.last.every_n_steps=2", "test=false"]  # 30 steps

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def overrides(shapes: list[str]) -> list[str]:
    assert set(SMALL + SHAPES) <= set(shapes)
    return [*shapes, *RANDOM, *LONG]


@pytest.fixture(scope="module")
def whole(overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    process = start(folder, *overrides)
    assert process.wait(timeout=300) == 0, (folder / "output.txt").read_text()
    return folder


@pytest.mark.parametrize(
    ("number", "group", "status"),
    [
        (signal.SIGKILL, False, -signal.SIGKILL),
        (
            signal.SIGTERM,
            True,
            128 + signal.SIGTERM,
        ),  # as SLURM sends it: to the workers too
        (signal.SIGINT, True, 128 + signal.SIGINT),  # as Ctrl-C does
    ],
)
def test_a_killed_run_goes_on_to_the_same_weights(
    overrides: list[str], whole: Path, tmp_path: Path, number: signal.Signals, group: bool, status: int
) -> None:
    process = start(tmp_path, *overrides)
    wait_for_step(process, tmp_path, 7)
    (os.killpg if group else os.kill)(process.pid, number)
    assert process.wait(timeout=60) == status, (tmp_path / "output.txt").read_text()
    if number != signal.SIGKILL:
        assert f"go on with: python src/train.py resume={tmp_path}" in (tmp_path / "output.txt").read_text()
    stopped_at = load(tmp_path)["global_step"]
    assert 0 < stopped_at < 30

    resumed = start(tmp_path, f"resume={tmp_path}")
    assert resumed.wait(timeout=300) == 0, (tmp_path / "output.txt").read_text()
    found, expected = load(tmp_path), load(whole)
    assert found["global_step"] == 30
    torch.testing.assert_close(found["state_dict"], expected["state_dict"], rtol=0, atol=0)


def start(folder: Path, *overrides: str) -> "subprocess.Popen[bytes]":
    """Starts training in a process group of its own, its output in the run's folder."""
    folder.mkdir(exist_ok=True)
    where = [] if any(o.startswith("resume=") for o in overrides) else [f"hydra.run.dir={folder}"]
    arguments = [sys.executable, str(SRC / "train.py"), *overrides, *where]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (folder / "output.txt").open("ab") as output:
        return subprocess.Popen(
            arguments, stdout=output, stderr=output, env=environment, start_new_session=True, stdin=subprocess.DEVNULL
        )


def wait_for_step(process: "subprocess.Popen[bytes]", folder: Path, step: int) -> None:
    """Waits until the figures of an optimizer step are in the file."""
    figures = folder / "metrics.csv"
    for _ in range(3000):
        if figures.exists() and any(line.startswith(f"{step},") for line in figures.read_text().splitlines()):
            return
        assert process.poll() is None, (folder / "output.txt").read_text()
        time.sleep(0.05)
    raise AssertionError("the run did not get there")


def load(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
