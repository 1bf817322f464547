"""Writers of predictions: csv and json files that grow video by video, and what any other kind of file has to offer."""

import csv
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from video_adapters.commands.wording import as_cell
from video_adapters.data.annotations.row_classes import BETWEEN
from video_adapters.recognition.find_videos import Unread
from video_adapters.recognition.prediction import Prediction
from video_adapters.recognition.results import Outcome
from video_adapters.recognition.timeline import Timeline

LINES = (".jsonl", ".ndjson")
"""Suffixes of JSON lines: an object in each, and nothing around them."""


class Writer(ABC):
    """A file of predictions, written anew from its first video on, also by a command that goes on where it was stopped:
    its journal knows what came out of the videos before.

    Videos come in the order of their names, each once, and may be millions: no writer keeps what it was given, but for
    a score and a place of each, which Label Studio's sorts by.
    """

    @abstractmethod
    def add(self, outcome: Outcome) -> None:
        """A video that is done, read or not; a timeline's windows have come before."""

    @abstractmethod
    def add_windows(self, video: str, part: Timeline) -> None:
        """The windows of a video that come next, as soon as they are known."""

    @abstractmethod
    def close(self) -> None:
        """No more comes: all is done, or the command is being stopped."""


class CsvWriter(Writer):
    """A row per video or, of timelines, per window, its run numbered; each is on disk as soon as it is known.

    Args:
        path: the file.
        top: classes in each row.
        windows: whether timelines come.
        several: whether a video may have several classes: those that are named stand in a column, as `a|b`.
    """

    def __init__(self, path: Path, top: int, windows: bool, several: bool = False) -> None:
        self._top = top
        self._run = self._label = -1
        names = [f"{name}{rank}" for rank in range(1, top + 1) for name in ("top", "probability")]
        times = [] if not windows else ["start", "end"] if several else ["start", "end", "run"]
        columns = ["video", *times, *(["named"] if several else []), *names, "unread"]
        self._several = several
        self._file = path.open("w", newline="", encoding="utf-8", errors="surrogateescape")
        self._rows = csv.DictWriter(self._file, columns)
        self._rows.writeheader()

    def add(self, outcome: Outcome) -> None:
        self._run = self._label = -1
        if isinstance(outcome, Unread):
            self._write([{"video": outcome.path, "unread": outcome.reason}])
        elif isinstance(outcome.result, Prediction):
            named = self._named(outcome.result.named())
            self._write([{"video": outcome.path, **named, **_columns(outcome.result.top(self._top))}])

    def add_windows(self, video: str, part: Timeline) -> None:
        rows = []
        for i, (window, label) in enumerate(zip(part.windows, part.probabilities.argmax(1), strict=True)):
            self._run, self._label = (max(self._run, 0) + (label != self._label)), label
            times: dict[str, Any] = {"start": f"{window.start:.3f}", "end": f"{window.end:.3f}"}
            times |= self._named(part.named(i)) if self._several else {"run": self._run}
            rows.append({"video": video, **times, **_columns(part.top(i, self._top))})
        self._write(rows)

    def close(self) -> None:
        self._file.close()

    def _named(self, classes: Sequence[tuple[str, float]]) -> dict[str, str]:
        return {"named": BETWEEN.join(name for name, _ in classes)} if self._several else {}

    def _write(self, rows: Sequence[dict[str, Any]]) -> None:
        self._rows.writerows({name: as_cell(str(value)) for name, value in row.items()} for row in rows)
        self._file.flush()


class JsonWriter(Writer):
    """An object per video, in ASCII, so that file names of any bytes survive: a list of them or, in a file of JSON
    lines (`.jsonl`), a line each.

    A list is closed after every video and opened again for the next one, by one write: a kill leaves one that is read.
    """

    def __init__(self, path: Path, top: int) -> None:
        self._top = top
        self._file: TextIO = path.open("w", encoding="ascii")
        self._overwrites = self._file.seekable()  # a pipe keeps what it was given
        self._lines = path.suffix.lower() in LINES
        self._end = "" if self._lines else "\n]\n"
        self._put("" if self._lines else "[")
        self._between = "\n"

    def add(self, outcome: Outcome) -> None:
        text = json.dumps(json_object(outcome, self._top))
        self._put(f"{text}\n" if self._lines else self._between + text)
        self._between = ",\n"

    def add_windows(self, video: str, part: Timeline) -> None:
        """The object of a video, which comes when it is done, holds them all."""

    def close(self) -> None:
        if not self._overwrites:
            self._file.write(self._end)
        self._file.close()

    def _put(self, text: str) -> None:
        self._file.write(text + self._end if self._overwrites else text)
        self._file.flush()
        if self._overwrites:
            self._file.seek(self._file.tell() - len(self._end))


def json_object(outcome: Outcome, top: int) -> dict[str, Any]:
    """What came out of a video, with the `top` likeliest classes of each window, or of the whole."""
    if isinstance(outcome, Unread):
        return {"video": outcome.path, "unread": outcome.reason}
    result: dict[str, Any] = {"video": outcome.path, "remarks": list(outcome.result.remarks)}
    copy = {"annotated": outcome.annotated, "not_annotated": outcome.not_annotated}
    result |= {name: text for name, text in copy.items() if text}
    if isinstance(outcome.result, Prediction):
        named = {"named": _objects(outcome.result.named())} if outcome.result.thresholds else {}
        return result | named | {"top": _objects(outcome.result.top(top))}
    timeline = outcome.result
    windows = [
        {"start": round(window.start, 6), "end": round(window.end, 6), "top": _objects(timeline.top(i, top))}
        for i, window in enumerate(timeline.windows)
    ]
    runs = [
        {"start": round(run.start, 6), "end": round(run.end, 6), **_objects([(run.class_name, run.probability)])[0]}
        for run in timeline.runs()
    ]
    return result | {"windows": windows, "runs": runs}


def _columns(top: Sequence[tuple[str, float]]) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for rank, (name, probability) in enumerate(top, 1):
        columns |= {f"top{rank}": name, f"probability{rank}": f"{probability:.6f}"}
    return columns


def _objects(top: Sequence[tuple[str, float]]) -> list[dict[str, Any]]:
    return [{"class": name, "probability": probability} for name, probability in top]
