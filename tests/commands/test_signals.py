"""What a run's end says: the signal or the reason, and the command that goes on."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from video_adapters.commands.atomic import replacing
from video_adapters.commands.errors import UserError, explained
from video_adapters.commands.signals import Interrupted, interruptible
from video_adapters.training.record import going_on


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_what_is_within_and_is_heard_as_before_afterwards(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match=f"{number.name}: stopped at once") as end, interruptible():
        os.kill(os.getpid(), number)
    assert end.value.code == 128 + number
    assert signal.getsignal(number) == before


@pytest.mark.slow
@pytest.mark.parametrize(("error", "printed"), [("KeyboardInterrupt", "stopped"), ("OSError", "Traceback")])
def test_ctrl_c_amid_the_imports_is_a_word_and_no_traceback(error: str, printed: str) -> None:
    script = f"from video_adapters.commands import command; command.set_up(); raise {error}"
    source = Path(__file__).parents[2] / "src"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(source)}
    )
    assert done.returncode == (-signal.SIGINT if error == "KeyboardInterrupt" else 1)
    assert done.stderr.split()[0] == printed
    assert ("Traceback" in done.stderr) == (printed == "Traceback")


def ended_by(folder: Path, error: Exception) -> str:
    with pytest.raises(UserError) as end, explained(), going_on(folder):
        raise error
    return str(end.value)


def test_a_full_disk_and_a_dead_worker_end_with_the_command_that_goes_on(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "metrics.csv")
    killed = RuntimeError("DataLoader worker (pid 5) is killed by signal: Killed. ")
    assert ended_by(tmp_path, full) == "No space left on device: metrics.csv"  # nothing was saved yet
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").touch()
    how = f"\ngo on with: python src/train.py resume={tmp_path}"
    assert ended_by(tmp_path, full) == f"No space left on device: metrics.csv{how}"
    assert ended_by(tmp_path, killed).startswith("a loading process was killed (SIGKILL)")
    assert ended_by(tmp_path, killed).endswith(how)


def test_a_signal_is_what_ended_a_run_whose_cleaning_up_then_failed(tmp_path: Path) -> None:
    with pytest.raises(Interrupted), going_on(tmp_path):
        fail_to_clean_up()


def fail_to_clean_up() -> None:
    try:
        raise Interrupted(signal.SIGTERM)
    except Interrupted:
        raise RuntimeError("call iter() first")  # noqa: B904


def test_a_file_that_finds_no_room_stays_as_it_was_and_is_named(tmp_path: Path) -> None:
    path = tmp_path / "figures.csv"
    path.write_text("before")
    with pytest.raises(OSError, match=r"File too large: '.*figures.csv'"):
        write_half(path)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["before"]


def write_half(path: Path) -> None:
    with replacing(path) as part:
        part.write_text("half")
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
