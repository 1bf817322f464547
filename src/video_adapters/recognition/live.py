"""The command `python src/predict.py CHECKPOINT SOURCE --live`: a stream in, events out."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TextIO

from video_adapters.commands.outputs import check_file, check_folder
from video_adapters.commands.signals import stoppable
from video_adapters.commands.wording import printable
from video_adapters.data.video.remote import shown_source
from video_adapters.recognition.events import Event
from video_adapters.recognition.recognizer import Recognizer
from video_adapters.recognition.recording import Recording
from video_adapters.recognition.streaming import Stream, StreamSettings, Update

REPORT = 60.0  # seconds from one line about frames and latency to the next
STDOUT = Path("-")


@dataclass(frozen=True, kw_only=True)
class LiveRequest:
    """A stream that is to be recognised, and where its events are to be written.

    Raises:
        ValueError: not one source.
    """

    checkpoint: Path
    videos: Sequence[str]  # the source, alone
    weights: Path | None = None
    device: str = "auto"
    views: str | None = None
    jsonl: Path | None = None  # -: standard output, with the lines for people on the other one
    annotate: Path | None = None  # folder
    settings: StreamSettings = field(default_factory=StreamSettings)

    def __post_init__(self) -> None:
        if len(self.videos) != 1:
            raise ValueError(
                f"--live reads one source, but {len(self.videos)} were given: a camera (/dev/video0), an address "
                "(rtsp://, http://, ...), a file, a folder of frames, or - (standard input)"
            )


def live(request: LiveRequest) -> None:
    """Recognises a stream until it is over, given up, or stopped by Ctrl-C; events that last are ended first."""
    source = request.videos[0]
    if request.jsonl is not None and request.jsonl != STDOUT:
        check_file(request.jsonl, "--jsonl")
        if request.jsonl.resolve() in (Path(source).resolve(), request.checkpoint.resolve()):
            raise ValueError(f"--jsonl {request.jsonl} is one of the inputs: choose another file")
    if request.annotate is not None:
        check_folder(request.annotate, "--annotate")
    recognizer = Recognizer.from_checkpoint(request.checkpoint, request.weights, request.device, request.views)
    with ExitStack() as stack:
        stack.enter_context(stoppable())
        told = Told(request.jsonl, stack)
        recording = stack.enter_context(Recording(request.annotate, told.note)) if request.annotate else None
        crops = recognizer.views.crops if request.views else 1
        stream = Stream(
            recognizer, source, replace(request.settings, crops=crops), told.note, recording.look if recording else None
        )
        stack.enter_context(stream)
        told.begin(shown_source(source), str(stream.plan))
        due = time.monotonic() + REPORT
        try:
            for update in stream.updates(every=1.0):
                if update is not None:
                    told.update(update)
                    if recording and update.smoothed is not None:
                        best = int(update.smoothed.argmax())
                        recording.caption = recognizer.class_names[best], float(update.smoothed[best])
                if time.monotonic() > due:
                    due += REPORT
                    told.status(stream.status._asdict(), str(stream.status))
        finally:
            if (last := stream.end()) is not None:
                told.update(last)
            if stream.status.frames:
                told.status(stream.status._asdict(), str(stream.status))


class Told:
    """What is said of a stream: lines for people, and JSON lines, each at once.

    Args:
        jsonl: `LiveRequest.jsonl`; what is in the file stays, and new lines go behind it.
        stack: closes it.
    """

    def __init__(self, jsonl: Path | None, stack: ExitStack) -> None:
        self._json: TextIO | None = None
        if jsonl is not None:
            self._json = sys.stdout if jsonl == STDOUT else stack.enter_context(jsonl.open("a", encoding="utf-8"))
        self._people = sys.stderr if jsonl == STDOUT else sys.stdout
        self._began = time.monotonic()

    def begin(self, source: str, plan: str) -> None:
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        self._line(f"{source}: {plan}. Ctrl-C ends it.")
        self._object(stream=source, began=now, plan=plan)

    def note(self, text: str) -> None:
        """Something about the source; by the thread that reads it, too."""
        seconds = time.monotonic() - self._began
        self._line(f"[{seconds:.1f} s] {text}")
        self._object(note=text, after=round(seconds, 3))

    def update(self, update: Update) -> None:
        for event in update.started:
            self._event(event, f"{_clock(event.start)}            begins", latency=round(update.latency, 4))
        for event in update.ended:
            assert event.end is not None
            span = f"{_clock(event.start)} - {_clock(event.end)}"
            self._event(event, f"{span}  {event.end - event.start:.1f} s")

    def status(self, values: dict[str, float], text: str) -> None:
        self._line(text)
        self._object(status={name: round(value, 4) for name, value in values.items()})

    def _event(self, event: Event, words: str, **more: float) -> None:
        self._line(f"{words}  {printable(event.class_name)}  {event.score:.0%}")
        times: dict[str, Any] = {"start": round(event.start, 3)}
        times |= {} if event.end is None else {"end": round(event.end, 3)}
        kind = "begins" if event.end is None else "ends"
        self._object(event=kind, **{"class": event.class_name}, **times, score=round(event.score, 4), **more)

    def _line(self, text: str) -> None:
        print(text, file=self._people, flush=True)

    def _object(self, **values: Any) -> None:
        if self._json is not None:
            print(json.dumps(values), file=self._json, flush=True)


def _clock(seconds: float) -> str:
    """7384.2 -> 2:03:04.2"""
    tenths = round(10 * seconds)
    return f"{tenths // 36000}:{tenths // 600 % 60:02}:{tenths // 10 % 60:02}.{tenths % 10}"


def request_of(words: Mapping[str, Any]) -> LiveRequest:
    """The request of a command line, of whose options for the stream those that were not given are None."""
    names = {one.name for one in fields(StreamSettings)}
    settings = {name: value for name, value in words.items() if name in names and value is not None}
    rest = {name: value for name, value in words.items() if name not in names}
    return LiveRequest(**rest, settings=StreamSettings(**settings))
