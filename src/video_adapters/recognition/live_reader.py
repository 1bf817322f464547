"""The thread that reads a stream: opens it, again where it was lost, and keeps of its frames what is looked at."""

import random
import threading
import time
from collections.abc import Callable
from typing import Any

import av
import numpy as np

from video_adapters.data.annotations import UNLABELLED, Video
from video_adapters.data.clips.transform import TestTransform
from video_adapters.data.video.on_screen import SLACK
from video_adapters.data.video.reader import open_video
from video_adapters.data.video.remote import STDIN, LiveSource, Lost, NotThere, is_live, picture_of, shown_source
from video_adapters.recognition.ring_buffer import Frame, RingBuffer
from video_adapters.recognition.stream_clock import JUMP, Beat, StreamClock
from video_adapters.recognition.timeline import seconds

LATE = 1.0  # seconds behind its stamps, from which on a source that comes in bursts is no longer hurried after them

Look = Callable[[float, Any], None]
"""Is told each frame of a stream: its time in seconds, and the frame, a picture (H, W, 3) or what FFmpeg decoded."""


class Ended(Exception):
    """A source is over; others are opened again when they end."""


class Backoff:
    """Waiting times between attempts: twice as long each time up to a bound, less up to half of it by chance, so that
    many who lost one server do not come back at once.

    Args:
        give_up: seconds without success, after which there is no further attempt.
    """

    def __init__(self, give_up: float, first: float = 0.5, most: float = 30.0) -> None:
        self.give_up, self._first, self._most = give_up, first, most
        self._random = random.Random()
        self.success(time.monotonic())

    def success(self, now: float) -> None:
        self._since, self._attempts = now, 0

    def __call__(self, now: float) -> float | None:
        """Seconds until the next attempt; None to give up."""
        left = self._since + self.give_up - now
        wait = min(self._most, self._first * 2.0 ** min(self._attempts, 16)) * self._random.uniform(0.5, 1)
        self._attempts += 1
        return None if left <= 0 else min(wait, left)


class Pace:
    """When frames that come too early are due: by their stamps, from the first one on, or from a jump or a delay."""

    def __init__(self) -> None:
        self._start: tuple[float, float] | None = None  # a stamp, and when it was due
        self._last = 0.0

    def __call__(self, stamp: float, now: float) -> float:
        """Seconds from now."""
        jumped = self._start is None or not 0 <= stamp - self._last <= JUMP
        self._last = stamp
        if self._start is None or jumped or now > self._start[1] + stamp - self._start[0] + LATE:
            self._start = stamp, now
        return max(0.0, self._start[1] + stamp - self._start[0] - now)


class LiveReader(threading.Thread):
    """Reads a source to its end, in real time; frames are cropped here, and no others are kept.

    Args:
        source: what `LiveSource` takes, or a file or folder of frames.
        ring: is given the frames that are in windows.
        beat: chooses them.
        transform: crops them.
        fps: of a folder of frames.
        timeout, give_up: seconds; see `LiveSource`, `Backoff`.
        note: is told what becomes of the source, in words.
        look: is told every frame.

    Attributes:
        num_frames, num_corrupt, num_reconnects: so far.
        behind: seconds by which the newest frame came later after the first one than its stamp says.
        error: why it ended, unless the stream was over or it was stopped.
    """

    def __init__(
        self,
        source: str,
        ring: RingBuffer,
        beat: Beat,
        transform: TestTransform,
        *,
        fps: float,
        timeout: float,
        give_up: float,
        note: Callable[[str], None],
        look: Look | None = None,
    ) -> None:
        super().__init__(name="reader of a stream", daemon=True)
        self._source, self._ring, self._beat, self._transform = source, ring, beat, transform
        self._fps, self._timeout, self._note, self._look = fps, timeout, note, look
        self._backoff, self._clock = Backoff(give_up), StreamClock()
        self._stopped = threading.Event()
        self.num_frames = self.num_corrupt = self.num_reconnects = 0
        self.behind, self._earliest = 0.0, 0.0
        self.error: Exception | None = None

    def stop(self) -> None:
        """Ends it, as soon as what it waits for comes or is given up."""
        self._stopped.set()

    def run(self) -> None:
        try:
            if is_live(self._source):
                self._read_live()
            else:
                self._play()
        except Exception as error:  # raised where the stream is used
            self.error = error
        finally:
            self._ring.close()

    def _read_live(self) -> None:
        name = shown_source(self._source)
        while not self._stopped.is_set():
            try:
                self._read_once(name)
                if self._stopped.is_set():
                    return
                reason = "it ended"
            except Ended:
                return
            except Lost as error:
                if self._source == STDIN or (isinstance(error, NotThere) and not self.num_frames):
                    raise ValueError(f"{name}: {error}") from error
                reason = str(error)
            self._clock.cut()
            self._ring.restart()
            wait = self._backoff(time.monotonic())
            if wait is None:
                raise ValueError(f"{name}: {reason}; given up after {self._backoff.give_up:g} s without a frame")
            self._note(f"{'lost' if self.num_frames else 'not there'}: {reason}; trying again in {wait:.1f} s")
            self._stopped.wait(wait)

    def _read_once(self, name: str) -> None:
        """Reads a live source until it ends.

        Raises:
            Ended: it is over.
            Lost, Refused: as `LiveSource`.
        """
        with LiveSource(self._source, self._timeout) as source:
            pace, corrupt, opened = Pace(), self.num_corrupt, False
            for stamp, frame in source.frames():
                if not opened:
                    opened = True
                    self.num_reconnects += self.num_frames > 0
                    self._note(f"reading {name}, {frame.width}x{frame.height}")
                if source.ends and stamp is not None:
                    self._stopped.wait(pace(stamp, time.monotonic()))
                if self._stopped.is_set():
                    return
                self._backoff.success(time.monotonic())
                self._frame(stamp, frame)
                self.num_corrupt = corrupt + source.num_corrupt
            if source.ends:
                raise Ended

    def _play(self) -> None:
        """Shows a file or a folder as if it came from a camera; of its frames those that are looked at are decoded."""
        with open_video(Video(self._source, UNLABELLED)) as span:
            times, end = seconds(span, self._fps)
            moments = (np.arange(int(end / self._beat.period) + 1) + 0.5) * self._beat.period
            wanted = np.searchsorted(times, moments[moments <= times[-1]] - SLACK)
            frames = (
                np.unique(np.concatenate([[0], wanted, [len(times) - 1]])) if self._look is None else range(len(times))
            )
            self._note(f"playing {shown_source(self._source)}, {end:.1f} s")
            start = time.monotonic()
            for index, picture in span.stream(frames):
                self._stopped.wait(max(0.0, start + times[index] - time.monotonic()))
                if self._stopped.is_set():
                    return
                self._frame(float(times[index]), picture)
            self._stopped.wait(max(0.0, start + end - time.monotonic()))
            if not self._stopped.is_set():
                self._frame(end, picture)  # the last frame stays on screen

    def _frame(self, stamp: float | None, frame: Any) -> None:
        """A frame that came just now."""
        arrival = time.monotonic()
        moment = self._clock(stamp, arrival)
        if moment is None:
            return
        self.num_frames += 1
        if moment.broken or self.num_frames == 1:
            self._earliest = arrival - moment.time
        self._earliest = min(self._earliest, arrival - moment.time)
        self.behind = arrival - moment.time - self._earliest
        numbers, restarted = self._beat(moment)
        if restarted:
            self._ring.restart()
        if self._look is not None:
            self._look(moment.time, frame)
        needed = [number for number in numbers if self._ring.needs(number)]
        if not needed:
            return
        try:
            crops = self._transform((picture_of(frame) if isinstance(frame, av.VideoFrame) else frame)[None])
        except ValueError:
            self.num_corrupt += 1
            return
        for number in needed:
            self._ring.put(Frame(number, moment.time, arrival, crops), self._beat.start)
