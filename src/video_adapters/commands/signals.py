"""Ctrl-C and SIGTERM: how they end a command."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NUMBERS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(BaseException):
    """A signal ends the run; `code` is the exit status that it calls for, `path` the state that was saved for it, and
    `unsaved` why none could be. No Exception, which libraries may swallow, and no KeyboardInterrupt, as Lightning does.
    """

    def __init__(self, number: int, path: Path | None = None) -> None:
        super().__init__(number)
        self.number, self.path = number, path
        self.code = 128 + number
        self.unsaved: OSError | None = None

    def __str__(self) -> str:
        done = f"state saved in {self.path}" if self.path else "stopped at once"
        if self.unsaved:
            done += f", its state could not be saved ({self.unsaved.strerror}: {self.unsaved.filename})"
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
def stoppable(hint: str = "") -> Iterator[None]:
    """Ends the command on Ctrl-C or SIGTERM, which the exit status tells apart, after what is within has cleaned up;
    with a word on how to go on."""

    def stop(number: int, _: Any) -> None:
        raise KeyboardInterrupt(number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt as interrupt:
        print(f"\nstopped; {hint}" if hint else "\nstopped", file=sys.stderr, flush=True)
        raise SystemExit(128 + (interrupt.args[0] if interrupt.args else signal.SIGINT)) from None
    finally:
        signal.signal(signal.SIGTERM, before)
