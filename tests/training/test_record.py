"""One run to a folder: made by one, held by one, and nothing in it is written by half."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from video_adapters.commands import run_folders
from video_adapters.commands.atomic import replacing
from video_adapters.commands.lock import LOCK, Busy, is_held
from video_adapters.training.record import held
from video_adapters.training.run import train
from video_adapters.trust.checkpoint_file import LAST

from helpers.toy import run

HOLDS = """
import fcntl, sys, time
file = open(sys.argv[1], "a")
fcntl.lockf(file, fcntl.LOCK_EX)
print(flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that trains in the folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLDS, str(tmp_path / LOCK)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_folder_is_held_until_its_holder_is_killed(tmp_path: Path, holder: "subprocess.Popen[str]") -> None:
    with (
        pytest.raises(Busy, match=r"^another process is training in .*: wait for its end, or stop it first$"),
        held(tmp_path),
    ):
        raise AssertionError("two at once")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with held(tmp_path):
        pass


def test_neither_a_new_run_nor_one_that_goes_on_enters_a_folder_that_is_held(
    shapes: list[str], tmp_path: Path, holder: "subprocess.Popen[str]"
) -> None:
    with pytest.raises(Busy):
        run(tmp_path, *shapes)
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]
    with pytest.raises(Busy):
        run(tmp_path, *shapes, f"resume={tmp_path}")


def test_the_lock_of_a_run_that_never_began_is_taken_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / LOCK).touch()

    def begin(
        cfg: DictConfig, overrides: list[str], folder: Path, hold: Callable[[], None], solution: object
    ) -> dict[str, float]:
        hold()  # again, as the first step of training does
        assert is_held(folder / LOCK)
        return {}

    monkeypatch.setattr("video_adapters.training.run._train", begin)
    train(OmegaConf.create({"run_dir": str(tmp_path), "resume": None}), [])
    assert not is_held(tmp_path / LOCK)


def test_workers_that_outlive_a_killed_run_do_not_hold_its_folder(tmp_path: Path) -> None:
    with held(tmp_path):
        worker = multiprocessing.get_context("fork").Process(target=signal.pause)
        worker.start()
    try:
        check = HOLDS.replace("LOCK_EX", "LOCK_EX | fcntl.LOCK_NB").replace("time.sleep(60)", "0")
        subprocess.run([sys.executable, "-c", check, str(tmp_path / LOCK)], check=True)
    finally:
        worker.kill()
        worker.join()


def test_a_new_run_is_not_started_over_one_that_could_go_on(shapes: list[str], tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / LAST).touch()
    with pytest.raises(ValueError, match=r"holds a run already, .* go on with it by resume=.*, or give the new one"):
        run(tmp_path, *shapes)


def test_runs_that_start_in_one_second_get_folders_of_their_own(tmp_path: Path) -> None:
    base = str(tmp_path / "2026-01-31_12-00-00")
    context = multiprocessing.get_context("fork")
    with context.Pool(4) as pool:
        made = pool.map(run_folders._new_folder, [base] * 8, chunksize=1)
        pool.close()
        pool.join()  # one that is terminated while it waits for work may leave the others waiting for ever
    assert {Path(path).is_dir() for path in made} == {True}
    processes = set(made)  # within one, the same answer again
    assert processes == {base, *(f"{base}_{number}" for number in range(2, len(processes) + 1))}
    assert {str(path) for path in tmp_path.iterdir()} == processes


def test_a_run_that_goes_on_keeps_its_folder_and_processes_of_one_start_share_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.yaml").touch()
    assert run_folders._run_folder(str(tmp_path), "new") == str(tmp_path)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert run_folders._new_folder(str(tmp_path)) == str(tmp_path)


def test_what_a_killed_run_left_half_written_goes_with_the_next_holder(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    with replacing(tmp_path / "checkpoints" / LAST) as part:
        assert str(os.getpid()) in part.name
        part.touch()
        with held(tmp_path):
            assert not part.exists()
        part.touch()
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == [LAST]
