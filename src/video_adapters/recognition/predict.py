"""The command `python src/predict.py`: videos in, classes out; unreadable ones are named, and the rest goes on."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from video_adapters.commands.outputs import check_file, check_folder
from video_adapters.commands.signals import stoppable
from video_adapters.commands.terminal import interactive
from video_adapters.commands.wording import printable
from video_adapters.data.video.frame_source import DecodeError
from video_adapters.model.finite_weights import NotFinite
from video_adapters.recognition import results as report
from video_adapters.recognition.annotate import free_name, write_annotated
from video_adapters.recognition.find_videos import Unread, find_videos
from video_adapters.recognition.journal import Journal, journal_of, stamp
from video_adapters.recognition.label_studio_tasks import Interface, LabelStudioWriter, interface_of
from video_adapters.recognition.recognizer import Prediction, Recognizer
from video_adapters.recognition.results import Outcome, Recognized
from video_adapters.recognition.timeline import FPS, SHORTEST, Timeline
from video_adapters.recognition.writers import CsvWriter, JsonWriter, Writer
from video_adapters.trust.shared_folder import local


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be recognised, and where it is to be written.

    Raises:
        ValueError: for impossible numbers, a stride without a window, and one file for two outputs.
    """

    checkpoint: Path
    videos: Sequence[str]  # files, folders, patterns
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

    def __post_init__(self) -> None:
        if not self.videos:
            raise ValueError("no video was given: name files, folders or patterns after the checkpoint")
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


def predict(request: Request) -> list[Outcome]:
    """Recognises the videos, prints each when it is done, and writes the files that were asked for.

    What came out of a video is on disk when the next one is begun. Stopped or killed, the same command goes on where it
    was, by a journal beside its output.

    Returns: what came out of each video, in the order of `find_videos`.

    Raises:
        ValueError: for what `Recognizer.from_checkpoint` refuses, outputs in the place of inputs, and a journal of
            another request.
    """
    videos = find_videos(request.videos)
    _protect(request, videos)
    recognizer = Recognizer.from_checkpoint(request.checkpoint, request.weights, request.device, request.views)
    outcomes = list[Outcome]()
    console = Console(stderr=True)
    progress = Progress(console=console, redirect_stdout=interactive(), disable=not console.is_terminal)
    journal = Journal(journal_of([*request.outputs().values()]), _unchanged(request), len(recognizer.class_names))
    hint = f"the same command goes on where it was, by {journal.path}" if journal.path else "nothing was to be written"
    with stoppable(hint), journal, ExitStack() as files, progress:
        writers = [
            files.enter_context(closing(one))
            for one in request.writers(len(recognizer.class_names), bool(recognizer.thresholds))
        ]
        for video in progress.track(videos, description="videos"):
            work = (request, progress, journal, writers)
            outcome = video if isinstance(video, Unread) else _outcome(recognizer, video, *work)
            report.show(outcome, request.top)
            for writer in writers:
                writer.add(outcome)
            outcomes.append(outcome)
    if unread := [outcome for outcome in outcomes if isinstance(outcome, Unread)]:  # they may have scrolled by
        print(f"{len(unread)} of {len(outcomes)} could not be read:", file=sys.stderr)
        for path, reason in unread:
            print(f"  {printable(path)}: {printable(reason)}", file=sys.stderr)
    return outcomes


def _unchanged(request: Request) -> dict[str, Any]:
    """What scores depend on, beside the videos."""
    path = local(request.checkpoint).absolute()  # of a model of the hub, that of its revision
    checkpoint = f"{path} {stamp(str(path))}"
    weights = None if request.weights is None else str(request.weights)
    rest = {name: getattr(request, name) for name in ("views", "window", "stride", "fps")}
    return {"checkpoint": checkpoint, "weights": weights, **rest}


def _outcome(
    recognizer: Recognizer,
    video: str,
    request: Request,
    progress: Progress,
    journal: Journal,
    writers: Sequence[Writer],
) -> Outcome:
    entry = journal.of(video)
    try:
        if request.window is not None:
            result: Any = _timeline(recognizer, video, request, progress, journal, writers)
        elif entry.about and entry.scores:
            remarks, chances = entry.about["remarks"], entry.scores[0][0]
            result = Prediction(recognizer.class_names, chances, remarks, recognizer.thresholds)
        else:
            result = recognizer(video)
    except DecodeError as error:
        return Unread(video, error.reason)
    except NotFinite as error:
        return Unread(video, str(error))
    if entry.about:
        result = result._replace(remarks=entry.about["remarks"])
        return Recognized(video, result, entry.about["annotated"], entry.about["not_annotated"])
    done = _with_copy(video, result, request, progress)
    scores = result.probabilities[None] if request.window is None else result.probabilities[:0]
    about = {"remarks": result.remarks, "annotated": done.annotated, "not_annotated": done.not_annotated}
    journal.add(video, scores, about)
    return done


def _timeline(
    recognizer: Recognizer,
    video: str,
    request: Request,
    progress: Progress,
    journal: Journal,
    writers: Sequence[Writer],
) -> Timeline:
    """The timeline of a video, from where the journal ends; each part is written as soon as it is known."""
    assert request.window is not None
    earlier = journal.of(video).scores

    def note(part: Timeline) -> None:
        for writer in writers:
            writer.add_windows(video, part)
        if all(part.probabilities is not scores for scores in earlier):
            journal.add(video, part.probabilities)

    stride, track = request.stride or request.window / 2, partial(_tracked, progress, "windows")
    return recognizer.timeline(video, request.window, stride, request.fps, track, earlier, note)


def _with_copy(video: str, result: Any, request: Request, progress: Progress) -> Recognized:
    """The result with the path of the annotated copy that was written where one is asked for."""
    if request.annotate is None:
        return Recognized(video, result)
    target = free_name(request.annotate, video)
    caption = result.at if isinstance(result, Timeline) else lambda time: result.top(1)[0]
    try:
        write_annotated(video, target, caption, request.fps, partial(_tracked, progress, "annotated frames"))
    except (DecodeError, OSError) as error:  # a frame that was not looked at, a full disk: the answer stands
        why = error.reason if isinstance(error, DecodeError) else f"{error.strerror}: {error.filename}"
        return Recognized(video, result, not_annotated=why)
    return Recognized(video, result, str(target))


def _tracked(progress: Progress, title: str, steps: Iterable[Any], total: int) -> Iterator[Any]:
    """Steps with a bar of their own, which goes when they are done."""
    task = progress.add_task(title, total=total)
    try:
        for step in steps:
            yield step
            progress.advance(task)
    finally:
        progress.remove_task(task)


def _protect(request: Request, videos: Sequence[str | Unread]) -> None:
    """Refuses to write a table over a video, or anything where it cannot be, and makes the folders of the outputs."""
    inputs = {Path(video).resolve() for video in videos if isinstance(video, str)} | {request.checkpoint.resolve()}
    for option, path in request.outputs().items():
        if path.resolve() in inputs:
            raise ValueError(f"{option} {path} is one of the inputs: choose another file")
        check_file(path, option)
    if request.annotate is not None:
        check_folder(request.annotate, "--annotate")
