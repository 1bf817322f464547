"""The list of a prediction's videos, on disk: a million names take no memory."""

import os
import sqlite3
from collections.abc import Iterable, Iterator

from video_adapters.recognition.find_videos import Unread

AGAIN = """SELECT number FROM
(SELECT number, ROW_NUMBER() OVER (PARTITION BY path ORDER BY number) AS nth FROM videos) WHERE nth > 1"""
"""Which names have come before. Sorted at the end, a million take 12 s; an index that is asked for each takes 33."""


class Listing:
    """Videos, and what is none, each once, in the order in which they come; in a temporary file that ends with it."""

    def __init__(self, videos: Iterable[str | Unread]) -> None:
        self._table = sqlite3.connect("", isolation_level=None)  # no name: a temporary file that is never seen
        self._table.execute("CREATE TABLE videos (number INTEGER PRIMARY KEY, path BLOB, reason BLOB)")
        self._table.execute("BEGIN")
        self._table.executemany("INSERT INTO videos (path, reason) VALUES (?, ?)", map(_row, videos))
        self._table.execute(f"DELETE FROM videos WHERE number IN ({AGAIN})")
        self._table.execute("COMMIT")

    def __len__(self) -> int:
        (count,) = self._table.execute("SELECT COUNT(*) FROM videos").fetchone()
        return int(count)

    def __iter__(self) -> Iterator[str | Unread]:
        for path, reason in self._table.execute("SELECT path, reason FROM videos ORDER BY number"):
            name = os.fsdecode(path)
            yield name if reason is None else Unread(name, os.fsdecode(reason))


def _row(video: str | Unread) -> tuple[bytes, bytes | None]:
    """Names as their bytes, which need not be UTF-8."""
    return (
        (os.fsencode(video), None) if isinstance(video, str) else (os.fsencode(video.path), os.fsencode(video.reason))
    )
