"""Rows of a store: a clip of a file as it was when it was read, numbered in the order in which they were asked for."""

import json
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from video_adapters.data.annotations import Video, Videos
from video_adapters.data.check_report import in_report

THREADS = 16  # that ask a file server for dates
MISSING = (-1,)


class Row(NamedTuple):
    """What a row's values were computed from."""

    path: str  # relative to the data set's root where it lies below it
    start: float  # as of Video
    stop: float
    state: tuple[int, ...]  # of the file, see `state_of`
    draw: tuple[int, int] | None  # of the training transform: which one, and the video's number, both seed it
    seconds: bool = False  # as of Video

    def line(self) -> bytes:
        """The row in the index, without an end of line; only where a span is in seconds does it say which it is in."""
        return json.dumps(self if self.seconds else self[:-1], separators=(",", ":")).encode()


def state_of(path: str) -> tuple[int, ...]:
    """What tells that a video has changed: bytes and date (ns) of a file; number, bytes and newest date of the files in
    a folder; (-1,) where there is nothing to be read."""
    try:
        if not os.path.isdir(path):
            stat = os.stat(path)
            return stat.st_size, stat.st_mtime_ns
        with os.scandir(path) as entries:
            stats = [entry.stat() for entry in entries]
        return len(stats), sum(s.st_size for s in stats), max((s.st_mtime_ns for s in stats), default=0)
    except OSError:
        return MISSING


def rows_of(videos: Videos, root: str, draws: int | None) -> list[Row]:
    """The rows of a data set's videos, in their order: one of each, or `draws` of each, one after the other."""
    with ThreadPoolExecutor(THREADS) as pool:
        states = pool.map(state_of, (video.path for video in videos))
        return [
            row for i, pair in enumerate(zip(videos, states, strict=True)) for row in _of_video(i, *pair, root, draws)
        ]


def _of_video(number: int, video: Video, state: tuple[int, ...], root: str, draws: int | None) -> Iterable[Row]:
    path = in_report(video.path, root)
    numbers = [None] if draws is None else [(draw, number) for draw in range(draws)]
    return (Row(path, video.start, video.stop, state, draw, video.seconds) for draw in numbers)


def allot(index: Path, rows: Sequence[Row]) -> tuple[np.ndarray, int]:
    """The numbers of rows in an index, (len(rows),), and how many rows it has; those that it lacks are added in order.

    The store's lock is to be held. A last line that a kill cut off is written anew.
    """
    content = index.read_bytes() if index.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    numbers = {line: number for number, line in enumerate(whole.split(b"\n")[:-1])}
    before = len(numbers)
    own = [numbers.setdefault(row.line(), len(numbers)) for row in rows]
    if added := list(numbers)[before:]:
        with index.open("r+b" if content else "wb") as file:
            file.truncate(len(whole))
            file.seek(len(whole))
            file.write(b"".join(line + b"\n" for line in added))
            file.flush()
            os.fsync(file.fileno())
    return np.array(own, np.int64), len(numbers)
