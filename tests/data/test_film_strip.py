from pathlib import Path

import numpy as np
import pytest

from video_adapters.data.annotations import Video
from video_adapters.data.video.film_strip import film_strip
from video_adapters.data.video.frame_source import DecodeError

from helpers.videos import frame_number, numbered_frames, write_video


@pytest.mark.parametrize(("length", "expected"), [(15, [0, 2, 4, 6, 8, 10, 12, 14]), (3, [0, 1, 2]), (1, [0])])
def test_a_strip_shows_frames_at_even_distances_in_order(tmp_path: Path, length: int, expected: list[int]) -> None:
    path = write_video(tmp_path / "a.mp4", numbered_frames(length))
    strip = film_strip(Video(str(path), 0), height=48)
    frames = np.split(strip, len(expected), axis=1)
    assert strip.shape[0] == 48
    assert [frame_number(frame) for frame in frames] == expected


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(DecodeError):
        film_strip(Video(str(tmp_path / "a.mp4"), 0))
