"""Annotation files of Create ML's action classifier."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from video_adapters.data.annotations.files import as_json, parsed
from video_adapters.data.annotations.seconds import as_seconds
from video_adapters.data.annotations.text import decoded, is_json, read_text, table_rows
from video_adapters.data.annotations.tool_export import Mark, ToolExport
from video_adapters.data.annotations.videos import END

VIDEO = ("video", "videoPath", "file", "filename", "path")
START, END_TIME = ("start", "startTime", "start_time"), ("end", "endTime", "end_time")


@dataclass(eq=False)
class CreateML(ToolExport):
    """Create ML's annotation files (Apple, "Building an Action Classifier Data Source"): JSON, or CSV with a header.

    An entry has a video, a label and, if it likes, start and end: seconds, or `8:03.5`. Several of one video make it
    what Apple calls a montage.
    """

    file: str = "annotations.json"
    encoding: str | None = None  # of the file; None: see `read_text`

    form = "Create ML's annotations"

    def marks(self, file: str) -> Iterator[Mark]:
        text = read_text(file, self.encoding)
        listed = as_json(text, file) if is_json(text) else table_rows(text, file, skipinitialspace=True)
        if not isinstance(listed, list):
            raise ValueError(f"{file} holds one JSON object, expected a list of them, each with a video and a label")
        return parsed(listed, lambda entry: _mark(entry, file), file)


def _mark(entry: Mapping[str, Any], file: str) -> Mark:
    if "image" in entry or "imagefilename" in entry:
        raise ValueError(f"{file} labels images, such as {json.dumps(entry)[:80]}: expected videos, each with a label")
    video, label = _first(entry, VIDEO), entry["label"]
    if not isinstance(video, str) or not video.strip():
        raise KeyError(" or ".join(VIDEO))
    start, stop = _first(entry, START), _first(entry, END_TIME)
    names = () if label in (None, "") else (decoded(label, file),)
    begins = 0 if start in (None, "") else as_seconds(start)
    return Mark(video.strip(), names, begins, END if stop in (None, "") else as_seconds(stop), seconds=True)


def _first(entry: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    return next((entry[key] for key in keys if key in entry), None)
