"""A video of an annotation file, whatever it is stored as: the frames that belong to it, counted from 0."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from video_adapters.data.annotations import END, Video
from video_adapters.data.video.decode import VideoReader
from video_adapters.data.video.frame_folder import FrameFolder
from video_adapters.data.video.frame_source import DecodeError, FrameSource
from video_adapters.data.video.on_screen import SLACK, end_of, on_screen

LONE_FRAME = 1 / 30  # seconds that the frame of a video of one is shown


class Span:
    """The frames from `start` up to `stop` of an open video, or those on screen between two times in seconds; its
    methods are those of the video.

    Attributes:
        num_frames: how many they are; a stop past the end is the end.

    Raises:
        DecodeError: none of them is there; for seconds, the video does not say when its frames are shown.
    """

    def __init__(self, source: FrameSource, start: float, stop: float, seconds: bool = False) -> None:
        self._source = source
        frames = _in_seconds(source, start, stop) if seconds else _in_frames(source, int(start), int(stop))
        self._start, self.num_frames = frames.start, len(frames)

    @property
    def quality(self) -> tuple[str, ...]:
        """What is odd about the whole video; complete after `read`."""
        return self._source.quality

    @property
    def num_resized(self) -> int:
        """How many of the frames read had another size than the video's first."""
        return self._source.num_resized

    @property
    def times(self) -> np.ndarray | None:
        """When each frame is shown, in seconds since the first one of the span, (num_frames,); None for images."""
        times = self._source.times
        return None if times is None else times[self._start :][: self.num_frames] - times[self._start]

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """The frames at `indices`, counted from the start of the span -> (len(indices), H, W, 3) RGB."""
        return self._source.read(self._in_source(indices).tolist())

    def stream(self, indices: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
        """The frames at `indices`, counted from the start of the span, with their indices, rising, one by one."""
        for index, picture in self._source.stream(self._in_source(indices)):
            yield index - self._start, picture

    def _in_source(self, indices: Iterable[int]) -> np.ndarray:
        own = np.fromiter(indices, np.int64)
        if len(outside := own[(own < 0) | (own >= self.num_frames)]):
            last = self.num_frames - 1
            raise ValueError(f"{self._source.path}: frames {outside.tolist()} asked for, there are 0 to {last}")
        return self._start + own


def _in_frames(source: FrameSource, start: int, stop: int) -> range:
    frames = range(start, source.num_frames if stop == END else min(stop, source.num_frames))
    if not frames:
        to = "on" if stop == END else f"to {stop}"
        raise DecodeError(
            source.path, f"has {source.num_frames} frames, none of {start} {to} that its annotation names"
        )
    return frames


def _in_seconds(source: FrameSource, start: float, stop: float) -> range:
    if (times := source.times) is None:
        raise DecodeError(
            source.path,
            "is a folder of images, which do not say when they are shown: its annotation has to name frames",
        )
    end = end_of(times, alone=LONE_FRAME)
    if start >= end - SLACK or start >= stop != END:
        to = "on" if stop == END else f"to {stop} s"
        raise DecodeError(source.path, f"is {end:.3f} s long, nothing of {start} {to} that its annotation names")
    return on_screen(times, start, end if stop == END else stop)


@contextmanager
def open_video(video: Video, strict: bool = False) -> Iterator[Span]:
    """Opens a video file or a folder of frames; strict: refuses frames of changing size, and images that are no frames.

    Raises:
        DecodeError: it cannot be read.
    """
    reader: type[FrameSource] = FrameFolder if os.path.isdir(video.path) else VideoReader
    with reader(video.path, strict) as source:
        yield Span(source, video.start, video.stop, video.seconds)
