"""A store that was interrupted, or shared by processes, equals one that was not, bit for bit."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from video_adapters.commands.workers import START
from video_adapters.features import row_files
from video_adapters.features.claims import Claims
from video_adapters.features.row_files import RowArray

from helpers.feature_parts import Parts, changed, parts_of
from helpers.toy import SHAPES, SMALL

SCRIPT = Path(__file__).parents[2] / "src" / "extract.py"
STOPPED_AMID = """
import os, runpy, signal, sys
from video_adapters.features.row_files import RowArray
write, calls = RowArray.write, iter(range(1, 1000))
def stopping(self, row, values):
    if next(calls) == 18:
        os.kill(os.getpid(), signal.SIGINT)
    return write(self, row, values)
RowArray.write = stopping
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs a script that is stopped by Ctrl-C when it is about to write its 18th row."""


@pytest.fixture(autouse=True)
def _small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_files, "FILE_BYTES", 10_000)  # 4 rows of 2 kinds x 8 frames x 32 x 4 bytes


def contents(parts: Parts) -> dict[str, bytes]:
    """Every file of the stores but those that are locked."""
    root = Path(parts.cfg.features.root)
    files = [path for path in root.rglob("*") if path.is_file() and path.name not in (".lock", "claims")]
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(files)}


def started(parts: Parts, work: Callable[[], object] = lambda: None) -> Any:
    """A process that computes the features of training and validation, after it has done something of its own."""

    def compute() -> None:
        work()
        stores = [parts.open(use) for use in ("train", "val")]
        for store in stores:
            store.compute()

    process = START.Process(target=compute)
    process.start()
    return process


def finished(parts: Parts) -> dict[str, bytes]:
    process = started(parts)
    process.join()
    assert process.exitcode == 0
    return contents(parts)


def killing_itself(number: int) -> None:
    """Has this process die when it is about to write the n-th row of a block."""
    write, calls = RowArray.write, iter(range(1, 1000))

    def dying(self: RowArray, row: int, values: np.ndarray) -> int:
        if next(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return write(self, row, values)

    RowArray.write = dying  # type: ignore[method-assign]


@pytest.fixture(scope="module")
def undisturbed(shapes: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Parts, dict[str, bytes]]:
    parts = parts_of(tmp_path_factory.mktemp("undisturbed"), shapes, "data.max_videos=10")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_files, "FILE_BYTES", 10_000)
        return parts, finished(parts)


def elsewhere(undisturbed: tuple[Parts, dict[str, bytes]], root: Path, *overrides: str) -> Parts:
    return changed(undisturbed[0], f"features.root={root}", *overrides)


def test_a_killed_computation_goes_on_to_the_same_bits(
    undisturbed: tuple[Parts, dict[str, bytes]], tmp_path: Path
) -> None:
    parts = elsewhere(undisturbed, tmp_path)
    process = started(parts, lambda: killing_itself(18))
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert contents(parts) != undisturbed[1]
    assert finished(parts) == undisturbed[1]


@pytest.mark.slow
def test_so_does_one_that_was_killed_twenty_times(shapes: list[str], tmp_path: Path) -> None:
    parts = parts_of(tmp_path / "whole", shapes, "data.num_workers=1", "batch.per_device=2")
    whole = finished(parts)
    killed = changed(parts, f"features.root={tmp_path / 'killed'}")
    generator = np.random.default_rng(0)
    for _ in range(20):
        process = started(killed)
        time.sleep(generator.uniform(0.02, 0.3))
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    assert finished(killed) == whole


@pytest.mark.slow
def test_processes_at_once_share_the_work(shapes: list[str], tmp_path: Path) -> None:
    parts = parts_of(tmp_path / "whole", shapes, "batch.per_device=2")
    whole = finished(parts)
    shared = changed(parts, f"features.root={tmp_path / 'shared'}")
    killed, *others = [started(shared) for _ in range(3)]
    time.sleep(0.3)
    os.kill(killed.pid, signal.SIGKILL)
    for process in (killed, *others):
        process.join()
    assert [process.exitcode for process in others] == [0, 0]
    assert contents(shared) == whole


@pytest.mark.slow
def test_what_another_has_claimed_is_waited_for_and_taken_over_when_it_dies(
    undisturbed: tuple[Parts, dict[str, bytes]], tmp_path: Path
) -> None:
    parts = elsewhere(undisturbed, tmp_path / "features")
    folder = parts.open("train").folder

    def hold() -> None:
        assert Claims(folder / "claims").take(1)
        (tmp_path / "held").touch()
        time.sleep(600)

    holder = started(parts, hold)
    while not (tmp_path / "held").exists():
        time.sleep(0.05)
    worker = started(parts)
    worker.join(3)
    states = parts.open("train").states[:, 0]
    assert worker.is_alive()
    assert np.flatnonzero(states == 0).tolist() == [4, 5, 6, 7]
    os.kill(holder.pid, signal.SIGKILL)
    worker.join()
    assert worker.exitcode == 0
    assert contents(parts) == undisturbed[1]


@pytest.mark.slow
def test_the_command_ends_with_a_word_and_goes_on(
    shapes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the command's files are large
    assert set(SMALL + SHAPES) <= set(shapes)
    own = ["data.num_workers=1", "batch.per_device=1"]
    whole = parts_of(tmp_path / "whole", shapes, *own)
    finished(whole)
    words = [str(SCRIPT), *shapes, *own, f"features.root={tmp_path / 'stopped'}"]
    cut = subprocess.run([sys.executable, "-c", STOPPED_AMID, *words], capture_output=True, text=True)
    assert cut.returncode == 128 + signal.SIGINT, cut.stderr
    assert "stopped; the same command goes on where it stopped" in cut.stderr
    assert any(any(path.read_bytes()) for path in (tmp_path / "stopped").glob("*/block_04/states"))
    done = subprocess.run([sys.executable, *words], check=True, capture_output=True, text=True)
    assert "24 videos" in done.stdout
    stopped = changed(whole, f"features.root={tmp_path / 'stopped'}")
    for use in ("train", "val"):
        ours, its = (parts.open(use).read(4, "patches") for parts in (stopped, whole))
        assert (ours == its).all()
