"""Sliding windows over a long video, and the stretches of one class that they come down to."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from video_adapters.data.clips.sample import Sampling
from video_adapters.data.clips.transform import TestTransform
from video_adapters.data.video.on_screen import SLACK, end_of, on_screen
from video_adapters.data.video.reader import Span
from video_adapters.recognition.prediction import Prediction

FPS = 30.0  # frames per second of a folder of images, which says nothing about it
SHORTEST = 1e-3  # seconds; shorter windows and strides are taken for mistakes

Track = Callable[[Iterable[Any], int], Iterable[Any]]


def untracked(steps: Iterable[Any], total: int) -> Iterable[Any]:
    return steps


class Window(NamedTuple):
    """A stretch of a video, in seconds, and the frames on screen in it."""

    start: float
    end: float
    frames: range


def _middle(window: Window) -> float:
    return (window.start + window.end) / 2


class Run(NamedTuple):
    """A stretch in which the windows agree on the class, or all name it where there may be several."""

    start: float  # seconds
    end: float
    class_name: str
    probability: float  # of this class, mean over the windows
    windows: range  # which they are


class Timeline(NamedTuple):
    """What was recognised in a video, window by window."""

    class_names: tuple[str, ...]  # by label
    windows: tuple[Window, ...]
    probabilities: np.ndarray  # (windows, C) float32
    remarks: tuple[str, ...] = ()  # what is odd about the file
    thresholds: tuple[float, ...] = ()  # by label, where a video may have several classes; () where it has one

    def prediction(self, window: int) -> Prediction:
        """What was recognised in a window."""
        return Prediction(self.class_names, self.probabilities[window], (), self.thresholds)

    def top(self, window: int, count: int = 5) -> list[tuple[str, float]]:
        """The likeliest classes of a window: see `Prediction.top`."""
        return self.prediction(window).top(count)

    def named(self, window: int) -> list[tuple[str, float]]:
        """The classes that a window is said to show: see `Prediction.named`."""
        return self.prediction(window).named()

    def runs(self) -> list[Run]:
        """Neighbouring windows of the same class as one, end to end; where a video may have several classes, those in
        which a class reaches its threshold, by their start.

        Where windows overlap, each speaks for the time that is nearer to its middle than to another's.
        """
        shares = self._shares()
        runs = []
        for label, windows in self._stretches():
            chance = float(self.probabilities[windows, label].mean())
            start, end = shares[windows[0]][0], shares[windows[-1]][1]
            runs.append(Run(start, end, self.class_names[label], chance, range(windows[0], windows[-1] + 1)))
        return sorted(runs, key=lambda run: run.start)

    def _stretches(self) -> Iterator[tuple[int, list[int]]]:
        """The classes that are named, each with windows that follow each other."""
        windows = range(len(self.windows))
        if not self.thresholds:
            labels = self.probabilities.argmax(1)
            yield from ((label, list(group)) for label, group in groupby(windows, key=lambda i: int(labels[i])))
            return
        reached = self.probabilities >= np.array(self.thresholds, self.probabilities.dtype)
        for label in np.flatnonzero(reached.any(0)).tolist():
            yield from ((label, list(group)) for on, group in groupby(windows, key=reached[:, label].item) if on)

    def at(self, time: float) -> tuple[str, float]:
        """The likeliest class at a time in seconds, with its probability: by the window with the nearest middle."""
        after = min(bisect_left(self.windows, time, key=_middle), len(self.windows) - 1)
        before = max(after - 1, 0)
        nearer = min(before, after, key=lambda i: abs(_middle(self.windows[i]) - time))
        return self.top(nearer, 1)[0]

    def _shares(self) -> list[tuple[float, float]]:
        """Start and end of the time that each window speaks for."""
        borders = [(_middle(a) + _middle(b)) / 2 for a, b in pairwise(self.windows)]
        starts, ends = [self.windows[0].start, *borders], [*borders, self.windows[-1].end]
        return [(max(s, w.start), min(e, w.end)) for w, s, e in zip(self.windows, starts, ends, strict=True)]


def seconds(span: Span, fps: float = FPS) -> tuple[np.ndarray, float]:
    """When each frame is shown, (num_frames,), and when the last one goes, in seconds since the first.

    A folder of images is shown at `fps`. The last frame stays as long as frames do in the median.

    Raises:
        DecodeError: a file does not say.
        ValueError: `fps` is not a positive number.
    """
    if not 0 < fps < np.inf:
        raise ValueError(f"fps is {fps}, expected a number of frames per second above 0")
    times = span.times
    if times is None:
        times = np.arange(span.num_frames) / fps
    return times, end_of(times, alone=1 / fps)


def cut(times: np.ndarray, end: float, length: float, stride: float) -> list[Window]:
    """Windows of `length` seconds every `stride` seconds, from 0 on; the last one ends where the video does.

    A video shorter than a window is one window. A frame is on screen until the next one comes, so that no window is
    without, however sparse the frames are.

    Raises:
        ValueError: for a length or a stride below a millisecond.
    """
    for name, value in (("window", length), ("stride", stride)):
        if not SHORTEST <= value < np.inf:
            raise ValueError(f"the {name} is {value} seconds, expected at least {SHORTEST}")
    starts = np.arange(0, max(end - length, 0) + SLACK, stride).tolist()
    if starts[-1] + length < end - SLACK:
        starts.append(end - length)
    return [Window(start, min(start + length, end), on_screen(times, start, start + length)) for start in starts]


def window_views(
    span: Span, windows: Sequence[range], sampling: Sampling, transform: TestTransform, num_clips: int
) -> Iterator[Tensor]:
    """The test views of each window, (V, T, 3, S, S) uint8, in order; a frame is decoded once for all of its windows.

    Frames are cropped when they come, and let go after their last window, so that few are held.
    """
    last_use = np.full(span.num_frames, -1, np.int32)  # which window; hours have too many frames for a dictionary
    for i, window in enumerate(windows):
        last_use[np.concatenate(_plan(window, sampling, num_clips))] = i
    frames = span.stream(np.flatnonzero(last_use >= 0))
    held: dict[int, Tensor] = {}  # (crops, 1, 3, S, S)
    for i, window in enumerate(windows):
        plan = _plan(window, sampling, num_clips)
        needed = {index for clip in plan for index in clip}
        while not needed <= held.keys():
            index, picture = next(frames)
            held[index] = transform(picture[None])
        yield torch.cat([torch.cat([held[index] for index in clip], 1) for clip in plan])
        held = {index: crops for index, crops in held.items() if last_use[index] > i}


def _plan(window: range, sampling: Sampling, num_clips: int) -> list[list[int]]:
    """The frames of a window's clips."""
    return [[window.start + i for i in clip] for clip in sampling.test(len(window), num_clips)]
