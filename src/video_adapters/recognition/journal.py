"""A prediction's results so far, on disk, so that the same command goes on after it was stopped or killed."""

import base64
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np

from video_adapters.data.video.probe_video import size_of, stamp_of


@dataclass
class Entry:
    """Results of a video so far."""

    scores: list[np.ndarray] = field(default_factory=list)  # (n, C) float32 each: its windows in order, or the whole
    about: dict[str, Any] | None = None  # of a video that is done: remarks, annotated, not_annotated


class Journal:
    """A line of JSON for every few windows, or for a video. A video that has changed since counts as unknown, and so
    does what stands behind a damaged line.

    Args:
        path: the file, read where there is one; None: nothing is written.
        request: what has to be the same for going on.
        num_classes: scores of each window or video.

    Raises:
        ValueError: the file is of another request.
    """

    def __init__(self, path: Path | None, request: Mapping[str, Any], num_classes: int) -> None:
        self.path = path
        self._num_classes = num_classes
        self._entries: dict[tuple[str, str], Entry] = {}
        lines = list(_whole_lines(path)) if path is not None and path.is_file() else []
        if lines and lines[0] != request:
            raise ValueError(
                f"{path} is what an unfinished prediction has found, by another checkpoint or with other options: "
                "repeat its command to go on, or remove the file, or name another output"
            )
        taken = list(takewhile(self._take, lines[1:]))
        # again, without what was cut off amid a line
        self._file = (path or Path(os.devnull)).open("w", encoding="ascii")
        for line in [request, *taken]:
            self._write(line)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        """Closes the file; when all is done it goes."""
        self._file.close()
        if self.path is not None and kind is None:
            self.path.unlink()

    def of(self, video: str) -> Entry:
        return self._entries.get((video, stamp(video)), Entry())

    def add(self, video: str, scores: np.ndarray, about: Mapping[str, Any] | None = None) -> None:
        """Notes scores, (n, C), and with `about` that the video is done."""
        encoded = base64.b64encode(scores.astype(np.float32).tobytes()).decode()
        line = {"video": video, "stamp": stamp(video), "scores": encoded}
        self._write(line if about is None else line | {"about": about})

    def _write(self, line: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def _take(self, line: Any) -> bool:
        """Takes over what a line notes; False where it has another form than `add` gives it."""
        try:
            scores = np.frombuffer(base64.b64decode(line["scores"]), np.float32).reshape(-1, self._num_classes)
            about = line.get("about")
            if about is not None:
                remarks = tuple(map(str, about["remarks"]))
                about = {"remarks": remarks, **{name: str(about[name]) for name in ("annotated", "not_annotated")}}
            entry = self._entries.setdefault((line["video"], line["stamp"]), Entry())
        except (ValueError, TypeError, LookupError, AttributeError):
            return False
        entry.scores += [scores] if len(scores) else []
        entry.about = about or entry.about
        return True


def journal_of(outputs: Sequence[Path | None]) -> Path | None:
    """A hidden file beside the first output; None where that is none, or no place for a file of ours (a pipe, say)."""
    output = next((path for path in outputs if path is not None), None)
    if output is None or (output.exists() and not output.is_file()):
        return None
    return output.with_name(f".{output.name}.progress")


def stamp(path: str) -> str:
    """Size and time, which tell whether a file has changed."""
    return f"{size_of(path)} {stamp_of(path)}"


def _whole_lines(path: Path) -> Iterator[Any]:
    """The lines up to one that was cut off while it was written."""
    for text in path.read_text(encoding="ascii", errors="replace").splitlines():
        try:
            yield json.loads(text)
        except (ValueError, RecursionError):
            return
