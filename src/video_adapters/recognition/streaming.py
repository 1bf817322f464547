"""Recognition in a stream: windows that slide with it, smoothed scores, events, and how it keeps up."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from video_adapters.commands.wording import counted
from video_adapters.data.clips.sample import Sampling, Strided
from video_adapters.data.clips.transform import TestTransform
from video_adapters.recognition.events import Event, Hysteresis, Smoothing
from video_adapters.recognition.live_reader import LiveReader, Look
from video_adapters.recognition.live_scores import WindowScores
from video_adapters.recognition.ring_buffer import RingBuffer, Window
from video_adapters.recognition.stream_clock import Beat
from video_adapters.recognition.timeline import FPS, SHORTEST

if TYPE_CHECKING:
    from video_adapters.recognition.recognizer import Recognizer

WHOLE_VIDEO = 4.0  # seconds: of Something-Something v2 a video's mean (Goyal et al. 2017), whose clips span videos
ENTER, LEAVE = 0.6, 0.4  # thresholds of one label: above a half, one class at a time can begin
SMALLEST = 1e-3  # threshold of a class: at 0 it would always be seen
LATENCIES = 4096  # of the newest windows: their median and 95th percentile are told


@dataclass(frozen=True, kw_only=True)
class StreamSettings:
    """How a stream is looked at; None: a default that follows from the checkpoint, see `plan`.

    Raises:
        ValueError: for times that are no positive number.
    """

    window: float | None = None  # seconds
    stride: float | None = None  # seconds, from window to window; rounded to whole distances between frames of a clip
    smoothing: float | None = None  # seconds, time constant; 0: none
    enter: float | None = None  # smoothed score at which an event begins; None: 0.6, of several labels the class's own
    leave: float | None = None  # and below which it ends; None: two thirds of that
    shortest: float | None = None  # seconds; shorter events are not told
    fps: float = FPS  # of folders of frames
    timeout: float = 10.0  # seconds without a frame, after which a source is lost
    give_up: float = 300.0  # seconds without a frame, after which it is not tried again
    crops: int = 1  # of each frame: the one in the middle, or three

    def __post_init__(self) -> None:
        for name in ("window", "stride", "fps", "timeout", "give_up"):
            value, endless = getattr(self, name), name in ("timeout", "give_up")
            if value is not None and not (value >= SHORTEST and (endless or value < math.inf)):
                raise ValueError(f"the stream's {name} is {value}, expected a number of at least {SHORTEST}")


class Plan(NamedTuple):
    """Windows of a stream, all times in seconds."""

    num_frames: int  # T, of a window
    stride: int  # from window to window, in periods
    period: float  # from frame to frame of a window
    smoothing: float
    shortest: float
    why: str  # where the window's length comes from

    @property
    def window(self) -> float:
        return self.num_frames * self.period

    def __str__(self) -> str:
        return (
            f"windows of {self.window:.2f} s ({self.why}), {self.num_frames} frames {self.period:.3f} s apart, a "
            f"window every {self.stride * self.period:.2f} s; scores smoothed over {self.smoothing:.2f} s, events of "
            f"at least {self.shortest:.2f} s"
        )


def plan(sampling: Sampling, settings: StreamSettings) -> Plan:
    """The windows that a checkpoint's sampling and what was asked for come to.

    A window is as long as a clip in training: T frames `stride` apart at 30 a second; where clips span whole videos
    (`Segments`), whose length the checkpoint does not know, 4 s. One comes every quarter of it. Scores are smoothed
    over, and events last at least, as long.
    """
    num_frames = sampling.num_frames
    if settings.window is not None:
        window, why = settings.window, "as given"
    elif isinstance(sampling, Strided):
        window = num_frames * sampling.step / FPS
        why = f"as in training: {num_frames} frames x {sampling.step} apart at {FPS:g} a second"
    else:
        window, why = WHOLE_VIDEO, "in training a clip spans a video; say --window with how long yours are"
    period = window / num_frames
    stride = max(1, num_frames // 4 if settings.stride is None else round(settings.stride / period))
    quarter = window / 4
    smoothing, shortest = (quarter if given is None else given for given in (settings.smoothing, settings.shortest))
    return Plan(num_frames, stride, period, smoothing, shortest, why)


class Update(NamedTuple):
    """A window of a stream with its scores, or the stream's break or end, which ends its events."""

    start: float  # seconds of the stream
    end: float
    probabilities: np.ndarray | None  # (C,) of the window alone; None: the stream broke, or is over
    smoothed: np.ndarray | None  # (C,)
    started: tuple[Event, ...]
    ended: tuple[Event, ...]
    latency: float  # seconds from the arrival of the window's last frame until now


class Status(NamedTuple):
    """How recognition keeps up with a stream, since its start."""

    seconds: float  # that have passed
    frames: int  # that came
    corrupt: int  # frames and packets that were damaged
    windows: int  # that were recognised
    skipped: int  # windows that were left out, because recognition was slower than the stream
    dropped: int  # frames that were chosen for windows and were in no window recognised
    reconnects: int
    gaps: int  # longer than a window, between two frames
    latency: float  # seconds from a frame's arrival to its window's scores, median of the newest
    latency_95: float  # their 95th percentile
    behind: float  # seconds by which frames come later than their stamps say: the source's, the network's or decoding's

    def __str__(self) -> str:
        return (
            f"{self.seconds:.0f} s: {self.frames} frames, {self.corrupt} corrupt, {self.dropped} dropped; "
            f"{self.windows} windows, {self.skipped} skipped; latency {1000 * self.latency:.0f} ms, 95 % within "
            f"{1000 * self.latency_95:.0f} ms; {self.behind:.1f} s behind; "
            f"{counted(self.reconnects, 'reconnect')}, {counted(self.gaps, 'gap')}"
        )


class Stream:
    """What a recognizer sees in a stream; an iterator of updates, to be used in a `with`.

    Memory does not grow with time: two clips of frames, one clip's features and the newest latencies are held. Of the
    windows that are whole while one is being recognised the newest comes next, the others are skipped, and counted.

    Args:
        recognizer: recognises the windows.
        source: `-`, `/dev/video0`, `camera:NAME`, an address (`remote.SCHEMES`), a file, or a folder of frames.
        settings: see there.
        note: is told what becomes of the source, in words, by another thread.
        look: is told every frame, by another thread; see `Look`.

    Raises:
        ValueError: for impossible settings; while iterating, for a source that cannot be read, or was given up.
    """

    def __init__(
        self,
        recognizer: "Recognizer",
        source: str,
        settings: StreamSettings,
        note: Callable[[str], None],
        look: Look | None = None,
    ) -> None:
        self.plan = plan(recognizer.sampling, settings)
        self._scores = WindowScores(recognizer)
        self._smoothing = Smoothing(self.plan.smoothing)
        self._events = Hysteresis(
            recognizer.class_names, *thresholds(settings, recognizer.thresholds), self.plan.shortest
        )
        self._beat = Beat(self.plan.period, self.plan.window + 2 * self.plan.period)
        self._ring = RingBuffer(self.plan.num_frames, self.plan.stride, self.plan.period)
        size, short_side = recognizer.transform.image_size, recognizer.transform.resize
        self._reader = LiveReader(
            source, self._ring, self._beat, TestTransform(size, resize=short_side, crops=settings.crops),
            fps=settings.fps, timeout=settings.timeout, give_up=settings.give_up, note=note, look=look,
        )  # fmt: skip
        self._latencies: deque[float] = deque(maxlen=LATENCIES)
        self._last: Window | None = None
        self._began = time.monotonic()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the reading of the source."""
        self._reader.stop()
        self._ring.close()
        if self._reader.is_alive():
            self._reader.join(timeout=1)  # what waits for a network longer than that ends with the process

    def __iter__(self) -> Iterator[Update]:
        """Updates as they come; the last one ends what lasts."""
        return self.updates(None)

    def updates(self, every: float | None) -> Iterator[Any]:
        """The same, and None wherever nothing came for `every` seconds."""
        self._began = time.monotonic()
        self._reader.start()
        while True:
            try:
                item = self._ring.take(every)
            except TimeoutError:
                yield None
                continue
            if isinstance(item, Window):
                yield self._window(item)
            elif (update := self.end()) is not None:
                yield update
            if item is None:
                break
        if self._reader.error is not None:
            raise self._reader.error

    def end(self) -> Update | None:
        """Ends the events that last, where the last window ended; None where there was none."""
        window, self._last = self._last, None
        if window is None:
            return None
        self._smoothing.restart()
        started, ended = self._events.end(window.end)
        return Update(window.end, window.end, None, None, tuple(started), tuple(ended), 0.0)

    @property
    def status(self) -> Status:
        reader, ring = self._reader, self._ring
        median, most = np.percentile(self._latencies or [0.0], [50, 95]).tolist()
        return Status(
            time.monotonic() - self._began, reader.num_frames, reader.num_corrupt, ring.num_windows, ring.skipped,
            ring.dropped, reader.num_reconnects, self._beat.num_gaps, median, most, reader.behind,
        )  # fmt: skip

    def _window(self, window: Window) -> Update:
        """Scores of a window, which speaks for the time that is nearer to its middle than to that of the one before."""
        probabilities = self._scores(window)
        middle = (window.start + window.end) / 2
        smoothed = self._smoothing(middle, probabilities)
        since = window.start if self._last is None else (middle + (self._last.start + self._last.end) / 2) / 2
        started, ended = self._events(since, smoothed)
        self._last = window
        latency = time.monotonic() - window.frames[-1].arrival
        self._latencies.append(latency)
        return Update(window.start, window.end, probabilities, smoothed, tuple(started), tuple(ended), latency)


def thresholds(settings: StreamSettings, chosen: Sequence[float]) -> tuple[Any, Any]:
    """Scores at which events begin and end, of all classes or of each; `chosen`: a checkpoint's, of several labels."""
    enter: Any = np.clip(chosen, SMALLEST, 1) if chosen else ENTER
    if settings.enter is not None:
        enter = settings.enter
    return enter, enter * LEAVE / ENTER if settings.leave is None else settings.leave
