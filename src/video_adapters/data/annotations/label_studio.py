"""Exports of Label Studio: JSON, JSON-MIN, CSV and TSV."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from video_adapters.commands.wording import counted, did_you_mean
from video_adapters.data.annotations.files import VIDEO_SUFFIXES, as_json
from video_adapters.data.annotations.seconds import as_seconds
from video_adapters.data.annotations.text import is_json, read_text, table_rows
from video_adapters.data.annotations.tool_export import Mark, ToolExport
from video_adapters.data.annotations.video_table import SPLIT_NAMES
from video_adapters.data.annotations.videos import END, LAST

VIDEO_KEYS = ("video", "video_url", "videoUrl", "url", "audio")  # of a task's data; audio: a video's sound is labelled
OWN = (
    "id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "split", "project", "file_upload",
)  # fmt: skip
"""Columns of JSON-MIN and CSV that are neither data nor labels."""
TIMELINE, SOUND, CHOICES = "timelinelabels", "labels", "choices"  # what a result's value calls its classes

log = logging.getLogger(__name__)


class _Result(NamedTuple):
    """One label, or several at once, of one control of the labelling interface."""

    control: str
    value: Mapping[str, Any]


class _Task(NamedTuple):
    """A video and what its one annotation that counts says of it."""

    video: str
    split: str
    results: Sequence[_Result]


@dataclass(eq=False)
class LabelStudio(ToolExport):
    """An export of Label Studio: choices for whole videos, timeline labels for stretches, labels of a video's sound.

    Of several annotations of a task the ground truth counts, else the last one; cancelled ones and predictions do not.
    A task's data may have a `split`: train, val or test. The timeline counts frames of 1 / frameRate s from 1 on,
    whatever the video's own frames are, where frameRate stands in the labelling interface, in <Video>, and is 24 where
    it does not.
    """

    file: str = "export.json"
    control: str | None = None  # name of the control whose labels are the classes; None: the one that is used
    frame_rate: float | None = None  # of <Video>; None: that of the videos, so that frames are theirs
    encoding: str | None = None  # of the file; None: see `read_text`

    form = "an export of Label Studio"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.frame_rate is not None and not 0 < self.frame_rate <= 1000:
            raise ValueError(f"data.annotations.frame_rate is {self.frame_rate}, expected frames a second, or null")

    def marks(self, file: str) -> Iterator[Mark]:
        entries = _entries(file, self.encoding)
        full = all("annotations" in entry or "completions" in entry for entry in entries)
        tasks = list(_full(entries) if full else _flat(entries))
        self._check_controls(tasks, full, file)
        for task in tasks:
            yield from self._of_task(task)

    def _of_task(self, task: _Task) -> Iterator[Mark]:
        marks = [
            Mark(task.video, tuple(names), *span, task.split)
            for control, value in task.results
            if (self.control is None or control == self.control) and (names := _names(value))
            for span in self._spans(value)
        ]
        yield from marks or [Mark(task.video, split=task.split)]

    def _spans(self, value: Mapping[str, Any]) -> Iterator[tuple[float, float, bool]]:
        """Start, stop and whether they are seconds, of each stretch that a value is about."""
        if "ranges" not in value and "start" not in value:
            yield 0, END, False
        elif "ranges" not in value:  # a stretch of sound
            yield as_seconds(value["start"]), as_seconds(value["end"]), True
        else:
            for one in value["ranges"]:
                first, last = _frame(one["start"]), _frame(one["end"])
                if self.frame_rate is None:
                    yield first - 1, last, False
                else:
                    yield (first - 1) / self.frame_rate, last / self.frame_rate, True

    def _check_controls(self, tasks: Sequence[_Task], full: bool, file: str) -> None:
        """Refuses to guess between controls, and says what is not read."""
        results = [result for task in tasks for result in task.results]
        names = sorted({control for control, value in results if _names(value)})
        if self.control is not None and self.control not in names:
            near = did_you_mean(self.control, names)
            raise ValueError(f"{file} has no labels of the control '{self.control}'{near}, but of: {', '.join(names)}")
        if self.control is None and len(names) > 1 and (self.labels == "one" or not full):
            every = ", or data.labels=multi takes all" if full else ""
            raise ValueError(
                f"{file} has values of {', '.join(names)}: data.annotations.control=NAME says which are classes{every}"
            )
        kinds = Counter("rectangle" if "sequence" in value else "other" for _, value in results if not _names(value))
        if kinds:
            told = ", ".join(counted(count, kind) for kind, count in kinds.items())
            log.warning("%s: of its results, those that name no class of the video are not read: %s", file, told)
        if self.frame_rate is None and any("ranges" in value for control, value in results if _names(value)):
            log.warning(
                "%s: frames of its timeline are taken for the videos' own; Label Studio counts them by the frameRate "
                "of <Video>, 24 where none is set: if videos have another, give data.annotations.frame_rate=24", file,
            )  # fmt: skip


def _entries(file: str, encoding: str | None) -> list[Mapping[str, Any]]:
    text = read_text(file, encoding)
    entries: Any = as_json(text, file) if is_json(text) else [_parsed(row, file) for row in table_rows(text, file)]
    entries = [entries] if isinstance(entries, dict) else entries
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError(f"{file} is no export of Label Studio: expected a list of tasks")
    return entries


def _parsed(row: Mapping[str, str], file: str) -> dict[str, Any]:
    """A row, whose cells may be JSON."""
    return {name: as_json(cell, file) if is_json(cell) else cell for name, cell in row.items()}


def _full(entries: Sequence[Mapping[str, Any]]) -> Iterator[_Task]:
    """Tasks of the JSON export, with all that was ever said of them."""
    for entry in entries:
        annotations = entry.get("annotations", entry.get("completions"))
        counting = [one for one in annotations if not one.get("was_cancelled")]
        best = sorted(counting, key=lambda one: (bool(one.get("ground_truth")), _changed(one)))[-1:]
        results = [
            _Result(str(label.get("from_name")), label["value"])
            for one in best for label in one["result"] if "value" in label
        ]  # fmt: skip
        yield _Task(_video(entry["data"], entry.get("file_upload")), _split(entry["data"]), results)


def _flat(entries: Sequence[Mapping[str, Any]]) -> Iterator[_Task]:
    """Tasks of JSON-MIN and CSV: an entry per annotation, in which labels stand beside the task's data."""
    last: dict[str, Mapping[str, Any]] = {}
    for number, entry in enumerate(entries):
        key = str(entry.get("id", number))
        if key not in last or _changed(entry) >= _changed(last[key]):
            last[key] = entry
    for entry in last.values():
        video = _video(entry)
        columns = ((name, value) for name, value in entry.items() if name not in OWN and value != video)
        yield _Task(video, _split(entry), [result for name, value in columns for result in _of_column(name, value)])


def _of_column(name: str, value: Any) -> Iterator[_Result]:
    """The results in a column, whether it is a control's or a task's own."""
    if isinstance(value, str):
        yield from [_Result(name, {CHOICES: [value]})] if value.strip() else []
    elif isinstance(value, dict):
        yield _Result(name, value)
    elif isinstance(value, list):
        yield from (_Result(name, one) for one in value if isinstance(one, dict))


def _changed(annotation: Mapping[str, Any]) -> str:
    """When an annotation was last changed, as text that sorts."""
    return str(annotation.get("updated_at") or annotation.get("created_at") or "")


def _names(value: Mapping[str, Any]) -> list[Any]:
    """The classes that a value names; none where it names none of a video or of a stretch of it."""
    if "sequence" in value or "x" in value:  # a rectangle of the picture
        return []
    named: Any = next((value[key] for key in (TIMELINE, SOUND, CHOICES) if value.get(key)), [])
    return [named] if isinstance(named, str) else list(named)


def _video(data: Mapping[str, Any], uploaded: str | None = None) -> str:
    """What a task's data says that its video is, else the uploaded file."""
    texts = {key: value for key, value in data.items() if isinstance(value, str) and key not in OWN}
    for key in VIDEO_KEYS:
        if texts.get(key):
            return texts[key]
    likely = [value for value in texts.values() if value.split("?")[0].lower().endswith(VIDEO_SUFFIXES)]
    if len(likely) > 1:
        raise ValueError(f"a task has several videos, {' and '.join(likely[:2])}: expected one, as `video`")
    if not likely and not uploaded:
        raise ValueError(f"a task names no video, but {', '.join(texts) or 'nothing'}: expected `video` in its data")
    return likely[0] if likely else str(uploaded)


def _split(data: Mapping[str, Any]) -> str:
    name = str(data.get("split") or "train").strip().lower()
    if name not in SPLIT_NAMES:
        raise ValueError(f"a task's split is '{name}', expected one of: {', '.join(SPLIT_NAMES)}")
    return SPLIT_NAMES[name]


def _frame(value: Any) -> int:
    """A frame's number, from 1 on."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= LAST:
        raise ValueError(f"{value!r} is no number of a frame, expected 1 to {LAST}")
    return max(1, round(value))
