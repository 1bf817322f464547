"""The newest frames of a stream, handed from the thread that reads it to the one that recognises, window by window."""

import threading
from collections import deque
from typing import NamedTuple

from torch import Tensor


class Frame(NamedTuple):
    """A frame that was chosen from a stream, cut to what the network takes."""

    number: int  # of the moment it stands for, counted since the stream began or broke
    time: float  # seconds of the stream
    arrival: float  # when it came, of time.monotonic
    crops: Tensor  # (crops, 1, 3, S, S) uint8


class Window(NamedTuple):
    """A clip's frames, and the stretch of the stream that they stand for."""

    part: int  # how often the stream broke before
    start: float  # seconds of the stream
    end: float
    frames: tuple[Frame, ...]


class Break(NamedTuple):
    """The stream was cut, or its time stamps jumped: no window reaches across."""

    part: int  # of the stream that ended here


class RingBuffer:
    """Holds one clip's frames and, until it is taken, the newest whole window: so many and no more, however fast they
    come. A window that was not taken when the next is whole is dropped, and counted.

    Args:
        num_frames: T, of a window.
        stride: from one window's first frame to the next one's, in frames.
        period: from frame to frame, seconds.

    Attributes:
        num_windows: how many were taken.
        skipped: how many windows were dropped, because recognition was slower than the stream.
        dropped: how many frames were in no window that was taken, for that reason.
    """

    def __init__(self, num_frames: int, stride: int, period: float) -> None:
        self.num_frames, self.stride, self.period = num_frames, stride, period
        self.num_windows = self.skipped = self.dropped = 0
        self._frames: deque[Frame] = deque(maxlen=num_frames)
        self._ready: Window | None = None
        self._seen = 0  # frames of this part below this number were in a window that was taken
        self._part = 0
        self._broken: Break | None = None
        self._closed = False
        self._changed = threading.Condition()

    def needs(self, number: int) -> bool:
        """Whether a frame is in any window: where these are further apart than they are long, not all are."""
        return number % self.stride < self.num_frames

    def put(self, frame: Frame, start: float) -> None:
        """The next frame; `start`: when the stream, or what follows a break, began, in seconds of the stream."""
        with self._changed:
            self._frames.append(frame)
            first = frame.number - self.num_frames + 1
            if first < 0 or first % self.stride or self._frames[0].number != first:  # or one of them was damaged
                return
            begin = start + first * self.period
            window = Window(self._part, begin, begin + self.num_frames * self.period, tuple(self._frames))
            if self._ready is not None:
                self._drop(self._ready, window)
            self._ready = window
            self._changed.notify_all()

    def restart(self) -> None:
        """Forgets the frames of no window: what comes next is not the continuation of what came, if anything did."""
        with self._changed:
            if not self._frames:
                return
            self._frames.clear()
            self._seen = 0
            self._broken = Break(self._part)
            self._part += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing comes any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take(self, timeout: float | None = None) -> Window | Break | None:
        """The newest whole window that was not taken yet, or a break; None where the stream is over, and a TimeoutError
        where nothing comes for so many seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._ready or self._broken or self._closed, timeout):
                raise TimeoutError
            if self._ready is not None and (self._broken is None or self._ready.part <= self._broken.part):
                return self._taken(self._ready)
            broken, self._broken = self._broken, None
            return broken

    def _taken(self, window: Window) -> Window:
        self.num_windows += 1
        self._ready = None
        if window.part == self._part:
            self._seen = window.frames[-1].number + 1
        return window

    def _drop(self, window: Window, following: Window) -> None:
        self.skipped += 1
        numbers = [frame.number for frame in window.frames]
        if window.part == following.part:
            numbers = [number for number in numbers if self._seen <= number < following.frames[0].number]
        self.dropped += len(numbers)
