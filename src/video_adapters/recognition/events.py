"""Events in a stream of scores: smoothed over time, with a start and an end by two thresholds (hysteresis)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Event(NamedTuple):
    """A stretch of a stream in which a class is seen."""

    class_name: str
    start: float  # seconds of the stream
    end: float | None  # None while it lasts
    score: float  # smoothed, mean over its windows so far


class Smoothing:
    """Exponential smoothing of scores that come at any times: s += (1 - exp(-dt / tau)) (p - s).

    Args:
        tau: time constant, seconds: of a step, 63 % are there after it. 0 leaves scores as they are.

    Raises:
        ValueError: for a negative one.
    """

    def __init__(self, tau: float) -> None:
        if not 0 <= tau < math.inf:
            raise ValueError(f"the smoothing is {tau} seconds, expected a number of at least 0")
        self.tau = tau
        self.restart()

    def restart(self) -> None:
        """Forgets all: the next scores are the first."""
        self._last: tuple[float, np.ndarray] | None = None

    def __call__(self, time: float, scores: np.ndarray) -> np.ndarray:
        """Scores at a time in seconds, (C,) -> smoothed, (C,)."""
        smoothed = scores
        if self._last is not None and self.tau:
            before, old = self._last
            smoothed = old + (1 - math.exp((before - time) / self.tau)) * (scores - old)
        self._last = time, smoothed
        return smoothed


@dataclass
class _Open:
    """What goes on of a class."""

    start: float
    total: float  # of its scores
    windows: int
    announced: bool = False

    def event(self, class_name: str, end: float | None = None) -> Event:
        return Event(class_name, self.start, end, self.total / self.windows)


class Hysteresis:
    """Events of each class by itself: one begins where its score is at least `enter`, ends where it is below `leave`.

    Args:
        class_names: by label.
        enter, leave: a threshold for all classes, or one of each, (C,).
        shortest: seconds; an event is told as soon as it lasts so long, and never if it ends before.

    Raises:
        ValueError: for thresholds out of (0, 1], a `leave` above its `enter`, and a negative length.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        enter: float | Sequence[float],
        leave: float | Sequence[float],
        shortest: float = 0.0,
    ) -> None:
        self.class_names = tuple(class_names)
        self.enter, self.leave = (np.broadcast_to(limit, len(self.class_names)) for limit in (enter, leave))
        for low, high in zip(self.leave, self.enter, strict=True):
            if not 0 < low <= high <= 1:
                raise ValueError(
                    f"an event begins at a score of {high} and ends below {low}: expected 0 < leave <= enter <= 1"
                )
        if not 0 <= shortest < math.inf:
            raise ValueError(f"the shortest event is {shortest} seconds, expected a number of at least 0")
        self.shortest = shortest
        self._open: dict[int, _Open] = {}  # by label

    def __call__(self, time: float, scores: np.ndarray) -> tuple[list[Event], list[Event]]:
        """Scores (C,) that hold from `time` on, in seconds -> events that are told now, and those that end."""
        ended = [self._close(label, time) for label in list(self._open) if scores[label] < self.leave[label]]
        for label in np.flatnonzero(scores >= self.enter).tolist():
            self._open.setdefault(label, _Open(time, 0.0, 0))
        for label, event in self._open.items():
            event.total += float(scores[label])
            event.windows += 1
        return self._announced(time), [event for event in ended if event is not None]

    def end(self, time: float) -> tuple[list[Event], list[Event]]:
        """Ends whatever lasts, where the stream breaks or is over -> events that are told only now, all that end."""
        started = self._announced(time)
        ended = [self._close(label, time) for label in list(self._open)]
        return started, [event for event in ended if event is not None]

    def _announced(self, time: float) -> list[Event]:
        told = []
        for label, event in self._open.items():
            if not event.announced and time - event.start >= self.shortest:
                event.announced = True
                told.append(event.event(self.class_names[label]))
        return told

    def _close(self, label: int, time: float) -> Event | None:
        """The event with its end; None for one that was never told."""
        event = self._open.pop(label)
        return event.event(self.class_names[label], time) if event.announced else None
