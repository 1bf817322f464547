"""Reports of `python src/prepare.py check`: a line of csv for each video of a data set."""

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, TextIO

from video_adapters.commands.wording import as_cell, of_cell

STATUSES = ("ok", "rotated", "mirrored", "resized", "corrupt", "truncated", "broken", "missing")
UNREADABLE = ("broken", "missing")


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoCheck:
    """One video's line."""

    path: str  # relative to the data set's root where it lies below it
    splits: str = ""  # those that name it, joined by a blank
    status: str  # one of STATUSES
    frames: int | None = None  # that come out of the decoder
    width: int | None = None  # pixels, upright
    height: int | None = None
    rotation: int | None = None  # degrees counter-clockwise that make it upright, once a mirrored one is mirrored
    fps: float | None = None  # frames a second, on average
    seconds: float | None = None
    codec: str = ""
    size: int | None = None  # bytes, or number of entries of a frame folder
    stamp: str = ""  # changes when the file is written: probe_video.stamp_of
    root: str = ""  # the data set's, absolute and without links; "" in reports of earlier versions
    reason: str = ""  # why it is not ok


COLUMNS = tuple(field.name for field in fields(VideoCheck))
EARLIER = tuple(name for name in COLUMNS if name not in ("stamp", "root"))  # versions of the report had no others
_WHOLE, _REAL = ("frames", "width", "height", "rotation", "size"), ("fps", "seconds")


def write_header(file: TextIO) -> None:
    csv.writer(file, lineterminator="\n").writerow(COLUMNS)


def write(file: TextIO, finding: VideoCheck) -> None:
    """Adds a line, in one piece."""
    csv.writer(file, lineterminator="\n").writerow(_cell(getattr(finding, name)) for name in COLUMNS)
    file.flush()


def read(path: str) -> dict[str, VideoCheck]:
    """The lines of a report by the videos' paths, a ValueError where it is missing or no report; a last line that was
    cut off while it was written is left out.
    """
    if not os.path.isfile(path):
        raise ValueError(f"the report {path} is missing; `python src/prepare.py check` writes one")
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        try:
            return {finding.path: finding for finding in _findings(path, file)}
        except csv.Error as error:
            raise ValueError(f"the report {path} cannot be read as a table: {error}") from error


def in_report(path: str, root: str) -> str:
    """How a report names a video: relative to the data set's root where it lies below it."""
    return os.path.relpath(path, root) if is_below(path, root) else path


def is_below(path: str, root: str) -> bool:
    """Whether a path names something in a folder, once each `..` in it is gone; links are not followed."""
    return os.path.relpath(path, root).split(os.sep)[0] != os.pardir


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return as_cell(value)
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else value


def _findings(path: str, file: TextIO) -> Iterator[VideoCheck]:
    lines = csv.reader(file)
    header = next(lines, [])
    if tuple(header) not in (COLUMNS, EARLIER):
        raise ValueError(
            f"{path} is no report of `python src/prepare.py check`: its first line is {','.join(header)[:80]!r}, "
            f"expected {','.join(COLUMNS)}"
        )
    for line in lines:
        values: dict[str, Any] = dict(zip(header, map(of_cell, line), strict=False))
        if len(line) == len(header) and values["status"] in STATUSES:
            try:
                values |= {name: int(values[name]) if values[name] else None for name in _WHOLE}
                values |= {name: float(values[name]) if values[name] else None for name in _REAL}
            except ValueError as error:
                raise ValueError(f"the report {path}, line {lines.line_num}: {error}") from error
            yield VideoCheck(**values)
