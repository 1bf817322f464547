"""Predictions as tasks that Label Studio imports, labelled already, those that the network is least sure of first."""

import json
import logging
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import numpy as np

from video_adapters.commands.atomic import replacing, write_text
from video_adapters.commands.wording import did_you_mean, printable
from video_adapters.data.annotations.files import missing
from video_adapters.data.annotations.xml_file import parse_xml
from video_adapters.recognition.prediction import Prediction
from video_adapters.recognition.results import Outcome, Recognized
from video_adapters.recognition.timeline import Timeline
from video_adapters.recognition.writers import Writer

FRAME_RATE = 24.0  # of Label Studio's <Video> where none is set
LOCAL = "/data/local-files/?d="  # before the path of a file that Label Studio serves from its own disk
CONTROLS = {False: "Choices", True: "TimelineLabels"}  # by whether stretches are labelled
DIGITS = 4  # of scores

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Interface:
    """The names in a project's labelling interface that predictions have to use."""

    control: str = "action"  # of <Choices>, or of <TimelineLabels>
    video: str = "video"  # of <Video>
    key: str = "video"  # of a task's data: $video
    frame_rate: float = FRAME_RATE
    classes: tuple[str, ...] | None = None  # that it offers; None: those of the checkpoint

    def described(self, class_names: Sequence[str], windows: bool, several: bool) -> str:
        """The labelling interface, for a project of its own."""
        tag, item = CONTROLS[windows], "Label" if windows else "Choice"
        how = f' choice="{"multiple" if several else "single"}"' if not windows else ""
        names = "".join(f"    <{item} value={quoteattr(name)}/>\n" for name in class_names)
        return (
            f'<View>\n  <Video name="{self.video}" value="${self.key}" frameRate="{self.frame_rate:g}"/>\n'
            f'  <{tag} name="{self.control}" toName="{self.video}"{how}>\n{names}  </{tag}>\n</View>\n'
        )


@dataclass
class _Elements:
    """The elements of a labelling interface that matter."""

    videos: list[dict[str, str]] = field(default_factory=list)
    controls: list[tuple[str, dict[str, str], list[str]]] = field(default_factory=list)  # tag, attributes, classes

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "Video":
            self.videos.append(attributes)
        elif tag in CONTROLS.values():
            self.controls.append((tag, attributes, []))
        elif tag in ("Choice", "Label") and self.controls:
            self.controls[-1][2].append(attributes.get("alias") or attributes.get("value", ""))


def interface_of(file: Path, windows: bool) -> Interface:
    """What a file with a project's labelling interface (Settings, Labeling Interface, Code) says.

    Raises:
        ValueError: it is no XML, has no control for what is labelled, or is not about a video.
    """
    if not file.is_file():
        raise ValueError(f"--label-studio-config: the labelling interface {missing(str(file))}")
    elements = _Elements()
    try:
        parse_xml(str(file), elements.start)
    except ValueError as error:
        raise ValueError(f"--label-studio-config: {error}") from error
    of = f"<{CONTROLS[windows]}>"
    fitting = [(attributes, names) for tag, attributes, names in elements.controls if f"<{tag}>" == of]
    if len(fitting) != 1 or len(elements.videos) != 1:
        what = "stretches (--window)" if windows else "whole videos"
        raise ValueError(
            f"{file} has {len(elements.videos)} <Video> and {len(fitting)} {of}, expected one of each: {what} get "
            f"labels of {of}"
        )
    (control, names), video = fitting[0], elements.videos[0]
    rate = {name.lower(): value for name, value in video.items()}.get("framerate", str(FRAME_RATE))
    try:
        frame_rate = float(rate)
    except ValueError:
        raise ValueError(f"{file}: frameRate is '{rate}', expected a number: give one to <Video>") from None
    if not 0 < frame_rate < 1000:
        raise ValueError(f"{file}: frameRate is '{rate}', expected frames a second")
    key = video.get("value", "$video").removeprefix("$")
    return Interface(control.get("name", ""), control.get("toName", ""), key, frame_rate, tuple(names))


class LabelStudioWriter(Writer):
    """Tasks with predictions, to be imported: choices of whole videos, or timeline labels of what windows come down to.

    A task's score says how sure the network is: the probability of the class, or where a video may have several, how
    far the most doubtful one is from its threshold; of a timeline, the mean over its windows. Tasks come in that order,
    so they are written at the end; until then they lie in a file without a name. What could not be read is no task.

    Args:
        path: of the tasks; where the interface is ours, it stands beside them.
        interface: of the project.
        model: what Label Studio calls these predictions.
        served: the folder that Label Studio serves files from.
        windows: whether timelines come.
    """

    def __init__(self, path: Path, interface: Interface, model: str, served: Path, windows: bool) -> None:
        self._path, self._interface, self._model, self._windows = path, interface, model, windows
        self._served = os.path.abspath(served)
        self._tasks = tempfile.TemporaryFile("w+", encoding="ascii")  # noqa: SIM115  (closed in `close`)
        self._scores: list[tuple[float, int]] = []  # of each task, and where it lies
        self._class_names: tuple[str, ...] = ()
        self._several = False

    def add(self, outcome: Outcome) -> None:
        if not isinstance(outcome, Recognized):
            return
        result = outcome.result
        if not self._class_names:
            self._class_names, self._several = result.class_names, bool(result.thresholds)
            self._name_missing()
        score = round(_certainty(np.atleast_2d(result.probabilities), result.thresholds), DIGITS)
        labels = self._stretches(result) if isinstance(result, Timeline) else self._choices(result)
        prediction = {"model_version": self._model, "score": score, "result": labels}
        task = {"data": {self._interface.key: self._address(outcome.path)}, "predictions": [prediction]}
        self._scores.append((score, self._tasks.tell()))
        self._tasks.write(json.dumps(task) + "\n")

    def add_windows(self, video: str, part: Timeline) -> None:
        """The task of a video, which comes when it is done, holds them all."""

    def close(self) -> None:
        with replacing(self._path) as part, part.open("w", encoding="ascii") as file:
            file.write("[")
            for number, (_, place) in enumerate(sorted(self._scores)):
                self._tasks.seek(place)
                file.write(("," if number else "") + "\n" + self._tasks.readline().rstrip())
            file.write("\n]\n")
        self._tasks.close()
        if self._interface.classes is None and self._class_names:
            path = self._path.with_name(f"{self._path.stem}_interface.xml")
            write_text(path, self._interface.described(self._class_names, self._windows, self._several))
            print(f"labelling interface for a project of {printable(str(self._path))}: {printable(str(path))}")

    def _choices(self, result: Prediction) -> list[dict[str, Any]]:
        named = result.named()
        value = {"choices": [name for name, _ in named]}
        return [self._label(1, "choices", value, min(chance for _, chance in named))] if named else []

    def _stretches(self, result: Timeline) -> list[dict[str, Any]]:
        labels = []
        for number, run in enumerate(result.runs(), 1):
            first, last = round(run.start * self._interface.frame_rate), round(run.end * self._interface.frame_rate)
            ranges = [{"start": first + 1, "end": max(first + 1, last)}]  # from 1 on, the last one included
            value = {"ranges": ranges, "timelinelabels": [run.class_name]}
            labels.append(self._label(number, "timelinelabels", value, run.probability))
        return labels

    def _label(self, number: int, kind: str, value: dict[str, Any], score: float) -> dict[str, Any]:
        names = {"id": f"label{number}", "from_name": self._interface.control, "to_name": self._interface.video}
        return {**names, "type": kind, "value": value, "score": round(score, DIGITS)}

    def _address(self, video: str) -> str:
        """Where Label Studio finds a file."""
        path = os.path.relpath(os.path.abspath(video), self._served)
        return LOCAL + quote(os.fsencode(path))

    def _name_missing(self) -> None:
        """Warns of classes that the project's interface does not offer."""
        offered = self._class_names if self._interface.classes is None else self._interface.classes
        for name in sorted({*self._class_names} - {*offered})[:5]:
            log.warning(
                "the labelling interface does not offer the class '%s'%s, and Label Studio will not show it",
                name, did_you_mean(name, offered),
            )  # fmt: skip


def _certainty(probabilities: np.ndarray, thresholds: Sequence[float]) -> float:
    """From 0 to 1, mean over windows, (N, C): the highest probability, or the least distance from a threshold as a
    share of what there could be."""
    if not thresholds:
        return float(probabilities.max(1).mean())
    limits = np.clip(np.array(thresholds), 1e-6, 1 - 1e-6)
    room = np.where(probabilities >= limits, 1 - limits, limits)
    return float((np.abs(probabilities - limits) / room).min(1).mean())
