"""A list of videos with labels, which costs loading processes nothing."""

import os
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple, overload

import numpy as np

UNLABELLED = -1
END = -1
MOST_CLASSES = 10**6
LAST = 2**31 - 1  # frame that can be named


class Video(NamedTuple):
    """A video file or a folder of frames, and its class."""

    path: str
    label: int  # index into the data set's class names, or UNLABELLED
    start: float = 0  # first frame that belongs to it; or seconds since the file's first one
    stop: float = END  # the frame after its last one, or seconds; or END
    seconds: bool = False  # what start and stop count: the file's own time stamps tell which frames that are


class Videos(Sequence[Video]):
    """An immutable list of videos, of which half a million cost workers neither time nor memory.

    Paths lie end to end in one byte string: of a list of strings each forked worker would end up with a copy, merely by
    counting references.

    Attributes:
        labels: (N,) int64.
    """

    def __init__(self, videos: Iterable[Video]) -> None:
        paths, labels, spans, seconds = [], [], [], []
        for path, label, start, stop, in_seconds in videos:
            try:
                paths.append(os.fsencode(path))
            except UnicodeError as error:
                raise ValueError(f"{path!a} is the name of no file: {error}") from error
            if not UNLABELLED <= label < MOST_CLASSES or not 0 <= start <= LAST or not (stop == END or stop >= 0):
                unit = "second" if in_seconds else "frame"
                raise ValueError(
                    f"{path} has label {label}, begins at {unit} {start} and ends before {stop}, expected a label "
                    f"below {MOST_CLASSES} and {unit}s from 0 to {LAST}"
                )
            labels.append(label)
            spans.append((start, min(stop, LAST)))  # no file has so many, and where it ends is looked up there
            seconds.append(in_seconds)
        self._paths = b"".join(paths)
        self._bounds = np.array(list(accumulate(map(len, paths), initial=0)), np.int64)
        whole = all(span == (0, END) for span in spans)
        self._seconds = np.array(seconds) if any(seconds) and not whole else None  # (N,) bool
        self._spans = None if whole else np.array(spans, np.int32 if self._seconds is None else np.float64)  # (N, 2)
        self.labels = np.array(labels, np.int64)

    def __len__(self) -> int:
        return len(self.labels)

    @overload
    def __getitem__(self, index: int) -> Video: ...
    @overload
    def __getitem__(self, index: slice) -> "Videos": ...
    def __getitem__(self, index: int | slice) -> "Video | Videos":
        if isinstance(index, slice):
            return self.select(range(len(self))[index])
        number = range(len(self))[index]
        path = self._paths[self._bounds[number] : self._bounds[number + 1]]
        return Video(os.fsdecode(path), int(self.labels[number]), *self._span(number))

    def _span(self, number: int) -> tuple[float, float, bool]:
        """Start, stop and whether they are seconds."""
        if self._spans is None:
            return 0, END, False
        start, stop = self._spans[number].tolist()
        if self._seconds is None or not self._seconds[number]:
            return int(start), int(stop), False
        return start, stop, True

    def select(self, indices: Iterable[int]) -> "Videos":
        """The videos at `indices`, in that order."""
        return Videos(self[index] for index in indices)
