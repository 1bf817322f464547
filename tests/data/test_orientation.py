"""Recordings that are stored turned or mirrored: all eight ways, wherever frames are looked at."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from video_adapters.data.annotations import Video
from video_adapters.data.video.decode import VideoReader
from video_adapters.data.video.film_strip import film_strip
from video_adapters.data.video.probe_video import probe_video
from video_adapters.preparation.encode_video import Settings, write_copy
from video_adapters.recognition.annotate import write_annotated

from helpers.videos import frame_number, numbered_frames, rotate_on_display, stored_for_display, write_video

LENGTH = 6
HEIGHT, WIDTH = 240, 320  # legible: copies with a caption are not enlarged
# Display matrices (a, b, c, d), with the status and the degrees that `check` reports.
KINDS = {
    "as it is": ((1, 0, 0, 1), "ok", 0),
    "clockwise": ((0, 1, -1, 0), "rotated", -90),
    "upside down": ((-1, 0, 0, -1), "rotated", 180),
    "counter-clockwise": ((0, -1, 1, 0), "rotated", 90),
    "left and right": ((-1, 0, 0, 1), "mirrored", 0),
    "up and down": ((1, 0, 0, -1), "mirrored", 180),
    "transposed": ((0, 1, 1, 0), "mirrored", 90),
    "transposed the other way": ((0, -1, -1, 0), "mirrored", -90),
}


def recording(folder: Path, matrix: tuple[int, ...]) -> Path:
    stored = stored_for_display(numbered_frames(LENGTH, HEIGHT, WIDTH), matrix)
    path = write_video(folder / "v.mp4", stored, options={"crf": "4"}, pix_fmt="yuv444p")
    return rotate_on_display(path, matrix)


def all_frames(path: Path) -> np.ndarray:
    with VideoReader(str(path)) as video:
        return video.read(range(video.num_frames))


def transcoded(path: Path) -> np.ndarray:
    write_copy(str(path), str(path.parent / "copy.mp4"), Settings(crf=4))
    return all_frames(path.parent / "copy.mp4")


def annotated(path: Path) -> np.ndarray:
    write_annotated(str(path), path.parent / "copy.mp4", lambda time: ("a class", 0.5))
    return all_frames(path.parent / "copy.mp4")


def strip(path: Path) -> np.ndarray:
    return np.stack(np.split(film_strip(Video(str(path), 0), LENGTH, HEIGHT), LENGTH, axis=1))


@pytest.mark.parametrize("look", [all_frames, transcoded, annotated, strip], ids=lambda look: look.__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_frames_are_seen_as_players_show_them(kind: str, look: Callable[[Path], np.ndarray], tmp_path: Path) -> None:
    frames, expected = look(recording(tmp_path, KINDS[kind][0])), numbered_frames(LENGTH, HEIGHT, WIDTH)
    assert frames.shape == expected.shape
    assert [frame_number(frame) for frame in frames] == list(range(LENGTH))
    upper = slice(0, HEIGHT * 3 // 4)  # above a caption
    assert (
        np.abs(frames[:, upper].astype(int) - expected[:, upper]).mean() < 6
    )  # unrelated greys of 60 to 200 differ by 140 / 3


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_turned_or_mirrored_is_reported(kind: str, tmp_path: Path) -> None:
    matrix, status, degrees = KINDS[kind]
    found = probe_video(Video(str(recording(tmp_path, matrix)), 0))
    assert (found.status, found.rotation, found.width, found.height) == (status, degrees, WIDTH, HEIGHT)
    assert ("mirrored" in found.reason) == (status == "mirrored")
