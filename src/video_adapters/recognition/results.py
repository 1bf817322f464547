"""Predictions for people and for programs: tables on the terminal, csv, json."""

import csv
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table
from rich.text import Text

from video_adapters.commands.atomic import write_text
from video_adapters.commands.terminal import console
from video_adapters.commands.wording import as_cell, printable
from video_adapters.recognition.find_videos import Unread
from video_adapters.recognition.recognizer import Prediction
from video_adapters.recognition.timeline import Timeline


class Recognized(NamedTuple):
    """A video with what was recognised in it."""

    path: str
    result: Prediction | Timeline
    annotated: str = ""  # path of its annotated copy
    not_annotated: str = ""  # why there is none, though one was asked for


Outcome = Recognized | Unread


def show(outcome: Outcome, top: int) -> None:
    """Prints a table of the `top` likeliest classes, or of the windows with their class and what they come down to."""
    out = console()
    if isinstance(outcome, Unread):
        out.print(Text(f"{printable(outcome.path)}: not read: {printable(outcome.reason)}", style="red"))
        return
    title = Text(printable(outcome.path), style="bold")
    for remark in outcome.result.remarks:
        title.append(f"\n{printable(remark)}", style="yellow")
    result = outcome.result
    if isinstance(result, Prediction):
        classes = [(name, f"{probability:.1%}") for name, probability in result.top(top)]
        out.print(_table(title, ("class", "probability"), classes))
    else:
        windows = [(w.start, w.end, *result.top(i, 1)[0]) for i, w in enumerate(result.windows)]
        runs = [(run.start, run.end, run.class_name, run.probability) for run in result.runs()]
        for heading, stretches in ((title, windows), (Text("in short", style="bold"), runs)):
            rows = [(f"{start:.2f} - {end:.2f}", name, f"{chance:.1%}") for start, end, name, chance in stretches]
            out.print(_table(heading, ("seconds", "class", "probability"), rows))
    if outcome.annotated:
        out.print(Text(f"annotated copy: {printable(outcome.annotated)}"))
    if outcome.not_annotated:
        out.print(Text(f"no annotated copy: {printable(outcome.not_annotated)}", style="red"))


class CsvFile:
    """A row per video or, of timelines, per window, its run numbered; each is on disk as soon as it is known.

    The file is written anew, with the `top` classes in each row; without a path nothing is written.
    """

    def __init__(self, path: Path | None, top: int, windows: bool) -> None:
        self._top = top
        self._run = self._label = -1
        names = [f"{name}{rank}" for rank in range(1, top + 1) for name in ("top", "probability")]
        columns = ["video", *(["start", "end", "run"] if windows else []), *names, "unread"]
        file = Path(os.devnull) if path is None else path
        self._file = file.open("w", newline="", encoding="utf-8", errors="surrogateescape")
        self._writer = csv.DictWriter(self._file, columns)
        self._writer.writeheader()

    def __enter__(self) -> "CsvFile":
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def add(self, outcome: Outcome) -> None:
        """A video that is done; a timeline's windows have come before."""
        self._run = self._label = -1
        if isinstance(outcome, Unread):
            self._write([{"video": outcome.path, "unread": outcome.reason}])
        elif isinstance(outcome.result, Prediction):
            self._write([{"video": outcome.path, **_columns(outcome.result.top(self._top))}])

    def add_windows(self, video: str, part: Timeline) -> None:
        """The windows of a video that come next."""
        rows = []
        for i, (window, label) in enumerate(zip(part.windows, part.probabilities.argmax(1), strict=True)):
            self._run, self._label = (max(self._run, 0) + (label != self._label)), label
            times = {"start": f"{window.start:.3f}", "end": f"{window.end:.3f}", "run": self._run}
            rows.append({"video": video, **times, **_columns(part.top(i, self._top))})
        self._write(rows)

    def _write(self, rows: Sequence[dict[str, Any]]) -> None:
        self._writer.writerows({name: as_cell(str(value)) for name, value in row.items()} for row in rows)
        self._file.flush()


def write_json(path: Path, outcomes: Sequence[Outcome], top: int) -> None:
    """A list with an object per video; in ASCII, so that file names of any bytes survive."""
    write_text(path, json.dumps([json_object(outcome, top) for outcome in outcomes], indent=1) + "\n")


def json_object(outcome: Outcome, top: int) -> dict[str, Any]:
    if isinstance(outcome, Unread):
        return {"video": outcome.path, "unread": outcome.reason}
    result: dict[str, Any] = {"video": outcome.path, "remarks": list(outcome.result.remarks)}
    copy = {"annotated": outcome.annotated, "not_annotated": outcome.not_annotated}
    result |= {name: text for name, text in copy.items() if text}
    if isinstance(outcome.result, Prediction):
        return result | {"top": _objects(outcome.result.top(top))}
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


def _table(title: Text, columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in columns:
        table.add_column(name, justify="left" if name == "class" else "right")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table
