"""A prediction's results so far, on disk, so that the same command goes on after it was stopped or killed."""

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from video_adapters.data.video.probe_video import size_of, stamp_of

LAYOUT = 2  # of the tables; 1 were lines of JSON, and 0 is SQLite's for a new file
TABLES = (
    f"PRAGMA user_version = {LAYOUT}",
    "CREATE TABLE request (text TEXT)",
    "CREATE TABLE results (number INTEGER PRIMARY KEY, video BLOB, stamp TEXT, scores BLOB, about TEXT)",
    "CREATE INDEX by_video ON results (video)",
)


@dataclass
class Entry:
    """A video with its results so far."""

    path: str
    stamp: str  # what tells whether the file has changed
    scores: list[np.ndarray] = field(default_factory=list)  # (n, C) float32 each: its windows in order, or the whole
    about: dict[str, Any] = field(default_factory=dict)  # of a video that is recognised: remarks; then of its copy


class Journal:
    """An SQLite file of what came out of videos, which are looked up one by one, however many they are. A video that
    has changed since counts as unknown.

    Args:
        path: the file, gone on with where there is one; None: nothing is noted.
        request: what has to be the same for going on.
        num_classes: scores of each window or video.

    Raises:
        ValueError: the file is of another request, in use by another process, or no journal of this layout.
    """

    def __init__(self, path: Path | None, request: Mapping[str, Any], num_classes: int) -> None:
        self.path = path
        self._num_classes = num_classes
        with self._refusing(), ExitStack() as unless_opened:
            self._tables = sqlite3.connect(path or ":memory:", isolation_level=None, timeout=0)
            unless_opened.callback(self._tables.close)
            # of this process until it ends; a log that is written ahead, whose end is left out if a kill cut it off
            for setting in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = NORMAL"):
                self._tables.execute(f"PRAGMA {setting}")
            self._open(json.dumps(request))
            unless_opened.pop_all()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        """Closes the file; when all is done it goes."""
        self._tables.close()
        if self.path is not None and kind is None:
            self.path.unlink()

    def of(self, video: str) -> Entry:
        """What is noted of a video as it is now."""
        entry = Entry(video, stamp(video))
        with self._refusing():
            for scores, about in self._tables.execute(
                "SELECT scores, about FROM results WHERE video = ? AND stamp = ? ORDER BY number",
                (os.fsencode(video), entry.stamp),
            ):
                array = np.frombuffer(scores, np.float32).reshape(-1, self._num_classes)
                entry.scores += [array] if len(array) else []
                entry.about |= json.loads(about)
        return entry

    def add(self, entry: Entry, scores: np.ndarray | None = None, **about: Any) -> None:
        """Notes of a video the scores that come next, (n, C), and whatever is known about it now."""
        if self.path is None:
            return
        values = b"" if scores is None else scores.astype(np.float32).tobytes()
        with self._refusing():
            self._tables.execute(
                "INSERT INTO results (video, stamp, scores, about) VALUES (?, ?, ?, ?)",
                (os.fsencode(entry.path), entry.stamp, values, json.dumps(about)),
            )

    @contextmanager
    def together(self) -> Iterator[None]:
        """Notes all that is added within, or nothing of it."""
        self._tables.execute("BEGIN")
        try:
            yield
        except BaseException:
            if self._tables.in_transaction:  # of a full disk SQLite has rolled back by itself
                self._tables.execute("ROLLBACK")
            raise
        with self._refusing():
            self._tables.execute("COMMIT")

    def _open(self, request: str) -> None:
        """Makes the tables, or finds them as they were made for the same request."""
        (layout,) = self._tables.execute("PRAGMA user_version").fetchone()
        if not layout:  # a new file; one of other tables refuses these
            with self.together():
                for statement in TABLES:
                    self._tables.execute(statement)
                self._tables.execute("INSERT INTO request VALUES (?)", (request,))
        elif layout != LAYOUT:
            raise sqlite3.DatabaseError(f"of layout {layout}")
        elif self._tables.execute("SELECT text FROM request").fetchone() != (request,):
            raise ValueError(
                f"{self.path} is what an unfinished prediction has found, by another checkpoint or with other options: "
                "repeat its command to go on, or remove the file, or name another output"
            )

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Says what SQLite has against the file, or the place where it is."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if "locked" in str(error):
                why = "is in use: another predict.py writes there; wait for it, or end it"
            elif isinstance(error, sqlite3.OperationalError):
                why = f"cannot be written ({error}): make room, or name another output"
            else:
                why = f"cannot be gone on with ({error}): damaged, or an earlier version's; remove it to begin anew"
            raise ValueError(f"{self.path} {why}") from error


def journal_of(outputs: Sequence[Path]) -> Path | None:
    """A hidden file beside the first output; None where that is none, or no place for a file of ours (a pipe, say)."""
    output = next(iter(outputs), None)
    if output is None or (output.exists() and not output.is_file()):
        return None
    return output.with_name(f".{output.name}.progress")


def stamp(path: str) -> str:
    """Size and time, which tell whether a file has changed."""
    return f"{size_of(path)} {stamp_of(path)}"
