"""A training in a process of its own, which gets the signals that this one receives."""

import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from video_adapters.commands.config import PROJECT

HANDED_ON = (signal.SIGINT, signal.SIGTERM)


class End(NamedTuple):
    """How a process ended."""

    status: int
    signal: int | None  # that this process received meanwhile


def in_words(script: str, words: Sequence[str]) -> str:
    """A command as it can be typed."""
    return shlex.join(["python", f"src/{script}.py", *words])


def train(words: Sequence[str]) -> End:
    """Prints and runs `python src/train.py WORDS` and waits for its end, whatever signals come.

    The process has a session of its own: the terminal's Ctrl-C would reach it twice otherwise, and the second one ends
    a run at once.
    """
    print(in_words("train", words), flush=True)
    arrived: list[int] = []
    process: subprocess.Popen[bytes] | None = None
    received: int | None = None

    def hand_on() -> None:
        while process is not None and arrived:
            process.send_signal(arrived.pop())

    def note(number: int, _: Any) -> None:
        nonlocal received
        received = number
        arrived.append(number)
        hand_on()

    before = {number: signal.signal(number, note) for number in HANDED_ON}
    try:
        command = [sys.executable, str(PROJECT / "src" / "train.py"), *words]
        process = subprocess.Popen(command, start_new_session=True)
        hand_on()
        return End(process.wait(), received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
