"""The command `python src/predict.py`: videos in, classes out; unreadable ones are named, and the rest goes on."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from itertools import chain, combinations
from pathlib import Path
from typing import Any

from video_adapters.commands.outputs import check_file, check_folder
from video_adapters.commands.signals import stoppable
from video_adapters.commands.workers import cores
from video_adapters.data.video.frame_source import DecodeError
from video_adapters.model.finite_weights import NotFinite
from video_adapters.recognition.annotate import free_name, write_annotated
from video_adapters.recognition.display import FEW, Display
from video_adapters.recognition.find_videos import Unread, find_videos, in_list
from video_adapters.recognition.journal import Entry, Journal, journal_of, stamp
from video_adapters.recognition.label_studio_tasks import Interface, LabelStudioWriter, interface_of
from video_adapters.recognition.listing import Listing
from video_adapters.recognition.prediction import Prediction
from video_adapters.recognition.recognizer import Recognizer
from video_adapters.recognition.results import Outcome, Recognized
from video_adapters.recognition.timeline import FPS, SHORTEST, Timeline
from video_adapters.recognition.whole_videos import recognise
from video_adapters.recognition.writers import CsvWriter, JsonWriter, Writer
from video_adapters.trust.shared_folder import local


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be recognised, and where it is to be written.

    Raises:
        ValueError: for impossible numbers, a stride without a window, and one file for two outputs.
    """

    checkpoint: Path
    videos: Sequence[str] = ()  # files, folders, patterns
    lists: Sequence[Path] = ()  # text files with a name in each line; -: the standard input
    top: int = 5  # classes per video
    weights: Path | None = None  # of the frozen encoder; None: where the checkpoint remembers them
    device: str = "auto"
    views: str | None = None  # name of a test protocol; None: the checkpoint's
    window: float | None = None  # seconds; None: videos as a whole
    stride: float | None = None  # seconds; None: half a window
    fps: float = FPS  # of folders of images
    csv: Path | None = None
    json: Path | None = None
    annotate: Path | None = None  # folder for annotated copies
    label_studio: Path | None = None  # tasks with predictions
    label_studio_config: Path | None = None  # the project's labelling interface; None: one of our own
    label_studio_root: Path | None = None  # the folder that Label Studio serves files from; None: /
    workers: int | None = None  # processes that decode; None: as many as cores
    tables: bool = False  # also of many videos

    def __post_init__(self) -> None:
        if not self.videos and not self.lists:
            raise ValueError(
                "no video was given: name files, folders or patterns after the checkpoint, or a list by --list FILE"
            )
        if self.top < 1:
            raise ValueError(f"--top is {self.top}, expected at least 1")
        if self.window is None and self.stride is not None:
            raise ValueError(f"--stride {self.stride} was given without --window: give both, in seconds")
        for name, value in (("window", self.window), ("stride", self.stride), ("fps", self.fps)):
            if value is not None and not SHORTEST <= value < float("inf"):
                raise ValueError(f"--{name} is {value}, expected a number of at least {SHORTEST}")
        for name in ("label_studio_config", "label_studio_root"):
            if self.label_studio is None and (given := getattr(self, name)) is not None:
                raise ValueError(f"--{name.replace('_', '-')} {given} was given without --label-studio FILE")
        self._interface()
        for (option, path), (other, same) in combinations(self.outputs().items(), 2):
            if path.resolve() == same.resolve():
                raise ValueError(f"{option} and {other} both name {path}: give each a file of its own")

    def outputs(self) -> dict[str, Path]:
        """The files that are to be written, by their options."""
        options = {"--csv": self.csv, "--json": self.json, "--label-studio": self.label_studio}
        return {option: path for option, path in options.items() if path is not None}

    def writers(self, num_classes: int, several: bool) -> list[Writer]:
        """What writes them, of a checkpoint that tells so many classes apart."""
        top = min(self.top, num_classes)
        writers: list[Writer] = []
        if self.csv is not None:
            writers.append(CsvWriter(self.csv, top, self.window is not None, several))
        if self.json is not None:
            writers.append(JsonWriter(self.json, top))
        if self.label_studio is not None:
            model, windows = "/".join(self.checkpoint.absolute().parts[-3:]), self.window is not None
            served = self.label_studio_root or Path("/")
            writers.append(LabelStudioWriter(self.label_studio, self._interface(), model, served, windows))
        return writers

    def _interface(self) -> Interface:
        """The names that Label Studio's project uses."""
        if self.label_studio_config is None:
            return Interface()
        return interface_of(self.label_studio_config, self.window is not None)


def predict(request: Request) -> Display:
    """Recognises the videos, shows how far it is, and writes the files that were asked for.

    What came out of a video is on disk when its batch is done. Stopped or killed, the same command goes on where it
    was, by a journal beside its output, whatever has changed in the list. Memory does not grow with the videos.

    Returns: how many videos there were, were not read, or got no annotated copy.

    Raises:
        ValueError: for what `Recognizer.from_checkpoint` refuses, lists that cannot be read, outputs in the place of
            inputs, and a journal of another request.
    """
    videos = Listing(chain(find_videos(request.videos), *map(in_list, request.lists)))
    _protect(request, videos)
    recognizer = Recognizer.from_checkpoint(request.checkpoint, request.weights, request.device, request.views)
    num_classes, tables = len(recognizer.class_names), request.tables or len(videos) <= FEW
    journal = Journal(journal_of([*request.outputs().values()]), _unchanged(request), num_classes)
    hint = f"the same command goes on where it was, by {journal.path}" if journal.path else "nothing was to be written"
    display = Display(len(videos), tables=tables, lines=not request.outputs(), top=request.top)
    with stoppable(hint), journal, ExitStack() as files, display:
        given = request.writers(num_classes, bool(recognizer.thresholds))
        writers = [files.enter_context(closing(one)) for one in given]
        for outcome in _outcomes(recognizer, videos, request, journal, writers, display):
            for writer in writers:
                writer.add(outcome)
            display.add(outcome)
    display.sum_up(request.csv or request.json)
    return display


def _outcomes(
    recognizer: Recognizer,
    videos: Listing,
    request: Request,
    journal: Journal,
    writers: Sequence[Writer],
    display: Display,
) -> Iterator[Outcome]:
    """What comes out of each video, in their order."""
    if request.window is None:
        size = 1 if len(videos) <= FEW else max(1, (recognizer.at_once or 1) // len(recognizer.views))
        found: Iterable[Entry | Unread] = recognise(recognizer, videos, journal, cores(request.workers), size)
    else:
        found = (video if isinstance(video, Unread) else journal.of(video) for video in videos)
    for entry in found:
        if isinstance(entry, Unread):
            yield entry
            continue
        try:
            if request.window is None:
                chances, remarks = entry.scores[0][0], tuple(entry.about["remarks"])
                result: Any = Prediction(recognizer.class_names, chances, remarks, recognizer.thresholds)
            else:
                result = _timeline(recognizer, entry, request, journal, writers, display)
        except DecodeError as error:
            yield Unread(entry.path, error.reason)
        except NotFinite as error:
            yield Unread(entry.path, str(error))
        else:
            yield _with_copy(entry, result, request, journal, display)


def _unchanged(request: Request) -> dict[str, Any]:
    """What scores depend on, beside the videos."""
    path = local(request.checkpoint).absolute()  # of a model of the hub, that of its revision
    checkpoint = f"{path} {stamp(str(path))}"
    weights = None if request.weights is None else str(request.weights)
    rest = {name: getattr(request, name) for name in ("views", "window", "stride", "fps")}
    return {"checkpoint": checkpoint, "weights": weights, **rest}


def _timeline(
    recognizer: Recognizer,
    entry: Entry,
    request: Request,
    journal: Journal,
    writers: Sequence[Writer],
    display: Display,
) -> Timeline:
    """The timeline of a video, from where the journal ends; each part is written as soon as it is known."""
    assert request.window is not None
    stride, earlier = request.stride or request.window / 2, entry.scores

    def note(part: Timeline) -> None:
        for writer in writers:
            writer.add_windows(entry.path, part)
        if all(part.probabilities is not scores for scores in earlier):
            journal.add(entry, part.probabilities)

    track = partial(display.tracked, "windows")
    result = recognizer.timeline(entry.path, request.window, stride, request.fps, track, earlier, note)
    if "remarks" in entry.about:
        return result._replace(remarks=tuple(entry.about["remarks"]))
    journal.add(entry, remarks=result.remarks)
    return result


def _with_copy(entry: Entry, result: Any, request: Request, journal: Journal, display: Display) -> Recognized:
    """The result with the path of the annotated copy, which is written where one is asked for and there is none."""
    if request.annotate is None:
        return Recognized(entry.path, result)
    if "annotated" not in entry.about:
        caption = result.at if isinstance(result, Timeline) else lambda time: result.top(1)[0]
        target, why = free_name(request.annotate, entry.path), ""
        try:
            write_annotated(entry.path, target, caption, request.fps, partial(display.tracked, "annotated frames"))
        except (DecodeError, OSError) as error:  # a frame that was not looked at, a full disk: the answer stands
            why = error.reason if isinstance(error, DecodeError) else f"{error.strerror}: {error.filename}"
        entry.about |= {"annotated": "" if why else str(target), "not_annotated": why}
        journal.add(entry, **entry.about)
    return Recognized(entry.path, result, entry.about["annotated"], entry.about["not_annotated"])


def _protect(request: Request, videos: Listing) -> None:
    """Refuses to write a table over a video, or anything where it cannot be, and makes the folders of the outputs."""
    written = {_identity(path): f"{option} {path}" for option, path in request.outputs().items() if path.is_file()}
    if written:  # else each of a million videos would be looked up for nothing
        inputs = (video for video in videos if isinstance(video, str))
        for name in chain(map(str, [request.checkpoint, *request.lists]), inputs):
            if os.path.exists(name) and _identity(name) in written:
                raise ValueError(f"{written[_identity(name)]} is one of the inputs: choose another file")
    for option, path in request.outputs().items():
        check_file(path, option)
    if request.annotate is not None:
        check_folder(request.annotate, "--annotate")


def _identity(path: str | Path) -> tuple[int, int]:
    """What tells a file from others, whatever it is called."""
    stat = os.stat(path)
    return stat.st_dev, stat.st_ino
