"""Answers of the demo about one video, in parts as they are found, each an object for JSON."""

import base64
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from video_adapters.commands.wording import in_time
from video_adapters.data.annotations import UNLABELLED, Video
from video_adapters.data.video.frame_source import DecodeError
from video_adapters.data.video.reader import open_video
from video_adapters.recognition.attended_frames import Attended, attended_frames
from video_adapters.recognition.recognizer import Recognizer
from video_adapters.recognition.timeline import SHORTEST, Timeline, seconds

MOST_SECONDS = 1800.0  # of a video; predict.py takes any
MOST_WINDOWS = 2000  # of a timeline, each a button of the page
SHOWN = 20  # classes of a video
SHOWN_OF_WINDOW = 3
BRIGHT = 0.95  # share of the places below those that are shown without a shade: a few outshine all others

Send = Callable[[dict[str, Any]], None]


def answer(recognizer: Recognizer, video: Path, window: float, stride: float, send: Send) -> None:
    """Tells a video's length and classes, where the network looks, then window by window its timeline.

    Raises:
        DecodeError: it cannot be read.
        ValueError: it is too long, or the times are impossible.
    """
    for name, value in (("window", window), ("stride", stride)):
        if not SHORTEST <= value < float("inf"):
            raise ValueError(f"the {name} is {value} seconds, expected at least {SHORTEST}")
    with open_video(Video(str(video), UNLABELLED)) as span:
        _, end = seconds(span)
    if end > MOST_SECONDS:
        raise ValueError(
            f"is {in_time(end)} long, and the demo takes {in_time(MOST_SECONDS)}: predict.py --window takes any"
        )
    if max(end - window, 0) / stride > MOST_WINDOWS:
        raise ValueError(f"makes more than {MOST_WINDOWS} windows every {stride} seconds: take a longer stride")
    send({"seconds": end})
    prediction = recognizer(video)
    named = {name for name, _ in prediction.named()}
    send({"classes": _classes(prediction.top(SHOWN), named), "remarks": list(prediction.remarks)})
    send({"looked": looked(recognizer, video)})
    if end > window:
        _timeline(recognizer, video, window, stride, send)


def looked(recognizer: Recognizer, video: Path) -> dict[str, Any]:
    """Frames with maps over them as pictures, or why there are none."""
    try:
        attended = attended_frames(recognizer, video)
    except DecodeError:
        raise
    except ValueError as error:
        return {"why_not": str(error)}
    beside = " The network beside the encoder, which has the last word, is not shown." if attended.beside else ""
    return {"about": f"Attention of block {attended.block + 1}, the last one.{beside}", "frames": _pictures(attended)}


def _pictures(attended: Attended) -> list[dict[str, Any]]:
    bright = np.clip(attended.maps / np.quantile(attended.maps, BRIGHT), 0, 1)  # of the clip: frames can be compared
    return [
        {"time": time, "frame": _as_url(frame), "shade": _as_url(_shade(1 - share))}
        for time, frame, share in zip(attended.times, attended.frames, bright, strict=True)
    ]


def _shade(opacity: np.ndarray) -> np.ndarray:
    """Black, which shows on frames of any colour, by opacity: (S, S) in 0 to 1 -> (S, S, 4) uint8."""
    return np.stack([*np.zeros((3, *opacity.shape)), 255 * opacity], -1).astype(np.uint8)


def _as_url(picture: np.ndarray) -> str:
    """A picture as text, for a page without files."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _timeline(recognizer: Recognizer, video: Path, window: float, stride: float, send: Send) -> None:
    total = 0

    def track(steps: Any, count: int) -> Iterator[Any]:
        nonlocal total
        total = count
        yield from steps

    def note(part: Timeline) -> None:
        send({"windows": _windows(part), "of": total})

    recognizer.timeline(video, window, stride, track=track, note=note)


def _windows(part: Timeline) -> list[dict[str, Any]]:
    windows = []
    for number, window in enumerate(part.windows):
        named, every = {name for name, _ in part.named(number)}, part.top(number, len(part.class_names))
        top = [one for rank, one in enumerate(every) if rank < SHOWN_OF_WINDOW or one[0] in named]
        windows.append({"start": window.start, "end": window.end, "classes": _classes(top, named)})
    return windows


def _classes(top: Sequence[tuple[str, float]], named: set[str]) -> list[dict[str, Any]]:
    return [{"name": name, "probability": chance, "named": name in named} for name, chance in top]
