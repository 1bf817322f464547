"""Ctrl-C and SIGTERM: from the signal to the command that goes on."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from video_adapters.training.checkpoint import has_state

NUMBERS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(BaseException):
    """A signal ends the run; `code` is the exit status that it calls for. No Exception, which libraries may swallow,
    and no KeyboardInterrupt, which Lightning does.

    Args:
        number: of the signal.
        path: the state that was saved for it, if any was.
    """

    def __init__(self, number: int, path: Path | None = None) -> None:
        super().__init__(number)
        self.number, self.path = number, path
        self.code = 128 + number

    def __str__(self) -> str:
        done = f"state saved in {self.path}" if self.path else "stopped at once"
        return f"{signal.Signals(self.number).name}: {done}"


@contextmanager
def interruptible() -> Iterator[None]:
    """Ends what is within by a signal, as Interrupted: at once, but where LastCheckpoint finishes a step first."""

    def stop(number: int, _: Any) -> None:
        raise Interrupted(number)

    before = {number: signal.signal(number, stop) for number in NUMBERS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
    if HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN:
        return "the same command goes on with the sweep"
    return f"go on with: python src/train.py resume={folder}"
