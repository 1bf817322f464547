"""Exports of CVAT: for video 1.1 (tracks), and for images 1.1 of tasks that are videos (tags)."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from video_adapters.data.annotations.tool_export import Mark, ToolExport
from video_adapters.data.annotations.video_table import SPLIT_NAMES
from video_adapters.data.annotations.videos import END, LAST
from video_adapters.data.annotations.xml_file import parse_xml

SHAPES = ("box", "polygon", "polyline", "points", "cuboid", "ellipse", "mask", "skeleton")
TASKS = ("task", "job")  # elements of <meta> that describe one
FRAME = re.compile(r"(?:^|/)frame_(\d+)(?:\.\w+)?$", re.ASCII)  # what CVAT calls the frames of a video
STEP = re.compile(r"step\s*=\s*(\d+)")
MOST_TEXT = 2**16  # characters between two tags: a name has a few, and nothing else is read


@dataclass(eq=False)
class Cvat(ToolExport):
    """annotations.xml of CVAT, of a task, a job or a project of videos. Frames are those of the file.

    A track is its label wherever it is not outside, from its first shape on; a frame's tags hold for it and for the
    step up to the next one. A project's subsets are the splits, where they are named like some.
    """

    file: str = "annotations.xml"
    attribute: str | None = None  # of tracks and tags, whose values are the classes; None: their labels

    form = "CVAT's XML 1.1"

    def marks(self, file: str) -> Iterator[Mark]:
        document = _Document(self.attribute)
        document.read(file)
        yield from document.marks(file)


@dataclass
class _Task:
    """What <meta> says of a task."""

    id: str = ""
    name: str = ""
    source: str = ""  # the video file
    subset: str = ""
    stop_frame: int = LAST
    step: int = 1
    labelled: list[tuple[str, int, int]] = field(default_factory=list)  # class, first frame, the one after the last


class _Document:
    """The annotations of a file, read element by element: nothing is kept but tasks and stretches."""

    def __init__(self, attribute: str | None) -> None:
        self._attribute = attribute
        self._path: list[str] = []
        self._text = ""
        self.tasks: list[_Task] = []
        self._source = ""  # beside the tasks, in older versions
        self._track: dict[str, str] = {}
        self._shapes: list[tuple[int, bool, str]] = []  # of a track: frame, outside, class
        self._image: dict[str, str] = {}
        self._tag = self._attribute_name = ""
        self._tags: dict[tuple[str, str], list[int]] = {}  # by task and class
        self._image_name = ""  # of one that is no frame of a video

    def read(self, file: str) -> None:
        parse_xml(file, self._start, self._end, self._characters)

    def marks(self, file: str) -> Iterator[Mark]:
        if not self.tasks:
            raise ValueError(f"{file} is no XML of CVAT: its <meta> has no task")
        if self._image_name:
            raise ValueError(
                f"{file} is of a task of images, such as {self._image_name!a}: expected one of a video, whose frames "
                "are called frame_000000; folders of frames are read by data=list or data=csv"
            )
        for (number, name), frames in self._tags.items():
            task = self._task(number)
            task.labelled += ((name, *span) for span in _runs(frames, task.step))
        for task in self.tasks:
            video, split = task.source or self._source or task.name, SPLIT_NAMES.get(task.subset.lower(), "train")
            for name, start, stop in task.labelled:
                yield Mark(video, (name,), start, stop, split=split)
            if not task.labelled:
                yield Mark(video, split=split)

    def _task(self, number: str | None) -> _Task:
        if number is None and len(self.tasks) == 1:
            return self.tasks[0]
        for task in self.tasks:
            if task.id == number:
                return task
        raise ValueError(f"its <meta> has {len(self.tasks)} tasks, none of the number {number}")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        parent = self._path[-1] if self._path else ""
        self._path.append(name)
        self._text = ""
        if not parent and name != "annotations":
            raise ValueError(f"its root is <{name[:40]}>, expected <annotations>")
        if name in TASKS and parent in ("meta", "tasks"):
            self.tasks.append(_Task())
        elif name == "track":
            self._track, self._shapes = attributes, []
        elif name in SHAPES and parent == "track":
            outside = attributes.get("outside", "0") == "1"
            self._shapes.append((_frame(attributes["frame"]), outside, "" if self._attribute else self._track["label"]))
        elif name == "image":
            self._image = attributes
        elif name == "tag" and parent == "image":
            self._tag = "" if self._attribute else attributes["label"]
        elif name == "attribute":
            self._attribute_name = attributes.get("name", "")

    def _characters(self, text: str) -> None:
        if len(self._text) <= MOST_TEXT:
            self._text += text

    def _end(self, name: str) -> None:
        self._path.pop()
        parent, text = self._path[-1] if self._path else "", self._text.strip()
        if parent in TASKS and self._path[-2] in ("meta", "tasks"):
            _describe(self.tasks[-1], name, text)
        elif name == "source" and parent == "meta":
            self._source = text
        elif name == "attribute" and self._attribute and self._attribute_name == self._attribute:
            if parent == "tag":
                self._tag = text
            elif parent in SHAPES and self._path[-2] == "track":
                self._shapes[-1] = (*self._shapes[-1][:2], text)
        elif name == "tag" and parent == "image" and self._tag:
            self._add_tag()
        elif name == "track":
            task = self._task(self._track.get("task_id"))
            task.labelled += _stretches(self._shapes, task)
        self._text = ""

    def _add_tag(self) -> None:
        match = FRAME.search(self._image["name"])
        if match is None:
            self._image_name = self._image_name or self._image["name"]
        else:
            number = self._image.get("task_id") or self._task(None).id
            self._tags.setdefault((number, self._tag), []).append(_frame(match[1]))


def _describe(task: _Task, name: str, text: str) -> None:
    """Puts an element of a task's description in its place."""
    if name in ("id", "name", "source", "subset"):
        setattr(task, name, text)
    elif name == "stop_frame" and text:
        task.stop_frame = _frame(text)
    elif name == "frame_filter" and (step := STEP.search(text)):
        task.step = max(1, _frame(step[1]))


def _stretches(shapes: Iterable[tuple[int, bool, str]], task: _Task) -> Iterator[tuple[str, int, int]]:
    """A track's shapes, each of which holds until the next one, and the last one until the task ends -> stretches."""
    end = END if task.stop_frame == LAST else task.stop_frame + 1
    name, start = "", 0
    for frame, outside, own in (*sorted(shapes), (end, True, "")):
        now = "" if outside else own
        if now != name:
            if name and (frame == END or frame > start):
                yield name, start, frame
            name, start = now, frame


def _runs(frames: list[int], step: int) -> Iterator[tuple[int, int]]:
    """Frames that follow each other by a step -> start and stop of each run."""
    ordered = sorted(set(frames))
    start = previous = ordered[0]
    for frame in ordered[1:]:
        if frame > previous + step:
            yield start, previous + step
            start = frame
        previous = frame
    yield start, previous + step


def _frame(text: str) -> int:
    if not re.fullmatch(r"\d{1,10}", text, re.ASCII) or int(text) > LAST:
        raise ValueError(f"'{text[:40]}' is no number of a frame, expected 0 to {LAST}")
    return int(text)
