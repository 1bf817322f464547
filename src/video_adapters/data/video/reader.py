"""A video of an annotation file, whatever it is stored as: the frames that belong to it, counted from 0."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from video_adapters.data.annotations import END, Video
from video_adapters.data.video.decode import VideoReader
from video_adapters.data.video.frame_folder import FrameFolder
from video_adapters.data.video.frame_source import DecodeError, FrameSource


class Span:
    """The frames from `start` up to `stop` of an open video; its methods are those of the video.

    Attributes:
        num_frames: how many they are; a stop past the end is the end.

    Raises:
        DecodeError: none of them is there.
    """

    def __init__(self, source: FrameSource, start: int, stop: int) -> None:
        self._source = source
        self._start = start
        end = source.num_frames if stop == END else min(stop, source.num_frames)
        self.num_frames = end - start
        if self.num_frames < 1:
            raise DecodeError(
                source.path, f"has {source.num_frames} frames, none of {start} to {stop} that its annotation names"
            )

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


@contextmanager
def open_video(video: Video, strict: bool = False) -> Iterator[Span]:
    """Opens a video file or a folder of frames; strict: refuses frames of changing size, and images that are no frames.

    Raises:
        DecodeError: it cannot be read.
    """
    reader: type[FrameSource] = FrameFolder if os.path.isdir(video.path) else VideoReader
    with reader(video.path, strict) as source:
        yield Span(source, video.start, video.stop)
