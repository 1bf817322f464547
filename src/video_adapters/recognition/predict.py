"""What `python src/predict.py` does: videos in, classes out; what cannot be read is named, and the rest goes on."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from video_adapters.data.decode import DecodeError
from video_adapters.recognition import report
from video_adapters.recognition.annotate import free_name, write_annotated
from video_adapters.recognition.find import Unread, find_videos
from video_adapters.recognition.recognizer import Recognizer
from video_adapters.recognition.report import Outcome, Recognized
from video_adapters.recognition.timeline import FPS, SHORTEST, Timeline
from video_adapters.shown import printable
from video_adapters.training.finite import NotFinite
from video_adapters.training.outputs import check_file, check_folder
from video_adapters.training.progress import interactive


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
        if self.csv is not None and self.json is not None and self.csv.resolve() == self.json.resolve():
            raise ValueError(f"--csv and --json both name {self.csv}: give each a file of its own")


def predict(request: Request) -> list[Outcome]:
    """Recognises the videos, prints each when it is done, and writes the files that were asked for.

    Interrupted, it writes what is done by then.

    Returns: what came out of each video, in the order of `find_videos`.

    Raises:
        ValueError: for what `Recognizer.from_checkpoint` refuses, and outputs in the place of inputs.
    """
    videos = find_videos(request.videos)
    _protect(request, videos)
    recognizer = Recognizer.from_checkpoint(request.checkpoint, request.weights, request.device, request.views)
    outcomes: list[Outcome] = []
    console = Console(stderr=True)
    try:
        with Progress(console=console, redirect_stdout=interactive(), disable=not console.is_terminal) as progress:
            for video in progress.track(videos, description="videos"):
                outcome = video if isinstance(video, Unread) else _outcome(recognizer, video, request, progress)
                report.show(outcome, request.top)
                outcomes.append(outcome)
    finally:
        _write(request, outcomes)
    _count(outcomes)
    return outcomes


def _write(request: Request, outcomes: Sequence[Outcome]) -> None:
    if request.csv:
        report.write_csv(request.csv, outcomes, request.top)
    if request.json:
        report.write_json(request.json, outcomes, request.top)


def _outcome(recognizer: Recognizer, video: str, request: Request, progress: Progress) -> Outcome:
    try:
        if request.window is None:
            result: Any = recognizer(video)
        else:
            stride = request.stride or request.window / 2
            track = partial(_tracked, progress, "windows")
            result = recognizer.timeline(video, request.window, stride, request.fps, track)
    except DecodeError as error:
        return Unread(video, error.reason)
    except NotFinite as error:
        return Unread(video, str(error))
    try:
        return Recognized(video, result, _annotated(video, result, request, progress))
    except (DecodeError, OSError) as error:  # a frame that was not looked at, a full disk: the answer stands
        why = error.reason if isinstance(error, DecodeError) else f"{error.strerror}: {error.filename}"
        return Recognized(video, result, not_annotated=why)


def _annotated(video: str, result: Any, request: Request, progress: Progress) -> str:
    """Writes the annotated copy where one is asked for, and returns its path."""
    if request.annotate is None:
        return ""
    target = free_name(request.annotate, video)
    caption = result.at if isinstance(result, Timeline) else lambda time: result.top(1)[0]
    write_annotated(video, target, caption, request.fps, partial(_tracked, progress, "annotated frames"))
    return str(target)


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
    """Refuses to write a table over a video, or anything where it cannot be, and makes the folders of the outputs.

    Raises:
        ValueError: naming it.
    """
    inputs = {Path(video).resolve() for video in videos if isinstance(video, str)} | {request.checkpoint.resolve()}
    for option, path in (("--csv", request.csv), ("--json", request.json)):
        if path is None:
            continue
        if path.resolve() in inputs:
            raise ValueError(f"{option} {path} is one of the inputs: choose another file")
        check_file(path, option)
    if request.annotate is not None:
        check_folder(request.annotate, "--annotate")


def _count(outcomes: Sequence[Outcome]) -> None:
    """Says at the end what was not read, where it might have scrolled by."""
    unread = [outcome for outcome in outcomes if isinstance(outcome, Unread)]
    if unread:
        print(f"{len(unread)} of {len(outcomes)} could not be read:", file=sys.stderr)
        for path, reason in unread:
            print(f"  {printable(path)}: {printable(reason)}", file=sys.stderr)
