"""Time that many steps take, said after the first few and once a minute."""

import logging
import time

from video_adapters.commands.terminal import QUIET_SECONDS

log = logging.getLogger(__name__)

FIRST_SAID = 5  # steps; the first of all, which allocates, is not counted


class Countdown:
    """Counts steps and logs when they will be done.

    Args:
        title: of what they do.
        total: how many there are.
    """

    def __init__(self, title: str, total: int) -> None:
        self.title, self.total = title, total
        self._done = 0
        self._start = self._said = 0.0

    def step(self) -> None:
        """One more is done."""
        now = time.monotonic()
        self._done += 1
        if self._done == 1:
            self._start = self._said = now
        elif self._done == FIRST_SAID or now - self._said > QUIET_SECONDS:
            self._said = now
            left = (now - self._start) / (self._done - 1) * (self.total - self._done)
            log.info(
                "%s: %s",
                self.title,
                f"about {_in_words(left)}" if self._done == FIRST_SAID else f"{_in_words(left)} left",
            )


def _in_words(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
