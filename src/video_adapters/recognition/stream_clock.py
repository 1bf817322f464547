"""Times of a stream's frames, by its time stamps, through jumps, restarts and cuts; and the moments looked at."""

import math
from typing import NamedTuple

from video_adapters.data.video.on_screen import SLACK

JUMP = 10.0  # seconds by which stamps may run ahead of the frames' arrivals: HLS hands over whole segments at once


class Moment(NamedTuple):
    """When a frame is shown."""

    time: float  # seconds since the stream's first frame, rising through all breaks
    broken: bool  # what came before is not continued


class StreamClock:
    """Seconds of the stream, by the source's stamps where these go on, by the clock on the wall where they do not.

    Stamps that fall back, or rise by `JUMP` seconds more than has passed, are a break; so is a cut, `cut()`. Across it
    goes the time that really passed. A frame without a stamp, as in Motion JPEG over HTTP, is shown when it arrives.
    """

    def __init__(self) -> None:
        self._last: tuple[float | None, float, float] | None = None  # stamp, arrival, time
        self._cut = False

    def cut(self) -> None:
        """The source was closed, and will be opened anew."""
        self._cut = self._last is not None

    def __call__(self, stamp: float | None, arrival: float) -> Moment | None:
        """The moment of a frame, by its stamp and by when it came, in seconds each; None for one that stands still."""
        if self._last is None:
            return self._at(stamp, arrival, 0.0, False)
        before, came, time = self._last
        passed = max(0.0, arrival - came)
        step = passed if stamp is None or before is None else stamp - before
        if self._cut or step < 0 or step > passed + JUMP:
            return self._at(stamp, arrival, time + passed, True)
        return self._at(stamp, arrival, time + step, False) if step else None

    def _at(self, stamp: float | None, arrival: float, time: float, broken: bool) -> Moment:
        self._last, self._cut = (stamp, arrival, time), False
        return Moment(time, broken)


class Beat:
    """Moments at which a stream is looked at, amid each period; a frame stands for those since the one before.

    Args:
        period: from moment to moment, seconds.
        longest_gap: seconds between two frames, above which nobody knows what went on: the moments begin anew.

    Attributes:
        start: where they began, in seconds of the stream.
        num_gaps: how often they began anew because of a gap.
    """

    def __init__(self, period: float, longest_gap: float) -> None:
        self.period, self.longest_gap = period, longest_gap
        self.start, self.num_gaps = math.nan, 0
        self._next, self._last = 0, math.nan

    def __call__(self, moment: Moment) -> tuple[range, bool]:
        """Numbers of the moments that a frame stands for, often none, and whether they are counted from 0 again."""
        first = math.isnan(self.start)
        gap = moment.time - self._last > self.longest_gap
        self._last = moment.time
        if first or gap or moment.broken:
            self.num_gaps += gap and not moment.broken
            self.start, self._next = moment.time, 0
        begin = self._next
        self._next = max(begin, math.floor((moment.time - self.start + SLACK) / self.period + 0.5))
        return range(begin, self._next), not first and (gap or moment.broken)
