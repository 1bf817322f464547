"""The command that goes on with a run, noted on whatever ended it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from video_adapters.commands.config import is_sweep
from video_adapters.commands.signals import Interrupted
from video_adapters.trust.checkpoint_file import has_state


@contextmanager
def going_on(folder: Path) -> Iterator[None]:
    """Notes on whatever ends the run of a folder what to type to go on with it, once it has saved a state."""
    try:
        yield
    except BaseException as error:
        # Lightning cleans up again when a signal comes while it does, and fails: what ended the run is the signal
        end = error.__context__ if isinstance(error.__context__, Interrupted) else error
        if has_state(folder):
            end.__notes__ = [_how(folder)]  # type: ignore[attr-defined]  # as add_note does from Python 3.11 on
        raise end from end.__cause__


def _how(folder: Path) -> str:
    if is_sweep():
        return "the same command goes on with the sweep"
    return f"go on with: python src/train.py resume={folder}"
