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
    start: int = 0  # first frame that belongs to it
    stop: int = END  # the frame after its last one, or END


class Videos(Sequence[Video]):
    """An immutable list of videos, of which half a million cost workers neither time nor memory.

    Paths lie end to end in one byte string: of a list of strings each forked worker would end up with a copy, merely by
    counting references.

    Attributes:
        labels: (N,) int64.
    """

    def __init__(self, videos: Iterable[Video]) -> None:
        paths, labels, spans = [], [], []
        for path, label, start, stop in videos:
            try:
                paths.append(os.fsencode(path))
            except UnicodeError as error:
                raise ValueError(f"{path!a} is the name of no file: {error}") from error
            if not UNLABELLED <= label < MOST_CLASSES or not 0 <= start <= LAST or stop < END:
                raise ValueError(
                    f"{path} has label {label}, begins at frame {start} and ends before {stop}, expected a label below "
                    f"{MOST_CLASSES} and frames from 0 to {LAST}"
                )
            labels.append(label)
            spans.append((start, min(stop, LAST)))  # no file has so many, and where it ends is looked up there
        self._paths = b"".join(paths)
        self._bounds = np.array(list(accumulate(map(len, paths), initial=0)), np.int64)
        whole = all(span == (0, END) for span in spans)
        self._spans = None if whole else np.array(spans, np.int32)  # (N, 2)
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
        start, stop = (0, END) if self._spans is None else map(int, self._spans[number])
        return Video(os.fsdecode(path), int(self.labels[number]), start, stop)

    def select(self, indices: Iterable[int]) -> "Videos":
        """The videos at `indices`, in that order."""
        return Videos(self[index] for index in indices)
