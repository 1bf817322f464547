"""A copy of a video with its classes on it."""

import errno
import os
from pathlib import Path

import av
import numpy as np
import pytest

from video_adapters.data.video.decode import VideoReader
from video_adapters.data.video.frame_source import DecodeError
from video_adapters.recognition.annotate import captioned, free_name, write_annotated

from helpers.colours import COLOURS, coloured
from helpers.videos import decode_in_sequence


def test_the_copy_has_every_frame_at_its_own_time_under_a_caption(tmp_path: Path) -> None:
    times = [0, 40, 1000, 1033, 5000]
    video = coloured(tmp_path / "v.mkv", [("red", 5)], [100 + time for time in times])
    asked: list[float] = []

    def caption(time: float) -> tuple[str, float]:
        asked.append(time)
        return ("late", 1.0) if time > 1 else ("early", 0.5)

    write_annotated(str(video), tmp_path / "copy.mp4", caption)
    np.testing.assert_allclose(asked, np.array(times) / 1000)
    with VideoReader(str(tmp_path / "copy.mp4")) as copy:
        np.testing.assert_allclose(copy.times, np.array(times) / 1000, atol=1e-4)
    with av.open(str(tmp_path / "copy.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "h264"
    frames = decode_in_sequence(tmp_path / "copy.mp4")
    assert frames.shape == (5, 256, 384, 3)  # 32 x 48, enlarged eightfold
    assert np.abs(frames[:, :200].mean((1, 2)) - COLOURS["red"]).max() < 12
    early, late = frames[[0, 4], -8:, 300:380].mean((1, 2, 3))
    assert abs(late - early) > 10  # the bar reaches this far only when the class is certain
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.mp4", "v.mkv"]


def test_a_caption_covers_the_lower_edge_alone_and_sides_are_even() -> None:
    picture = np.full((301, 401, 3), 99, np.uint8)
    image = np.asarray(captioned(picture, "doing something with something long enough to be cut " * 3, 0.25))
    assert image.shape == (302, 402, 3)
    assert (image[:270, :401] == 99).all()
    assert (image[280:300] != 99).any()


def test_a_copy_never_takes_the_place_of_a_file(tmp_path: Path) -> None:
    video = coloured(tmp_path / "v.mp4", [("red", 3)])
    assert free_name(tmp_path, str(video)) == tmp_path / "v_annotated.mp4"
    (tmp_path / "v_annotated.mp4").write_text("mine")
    assert free_name(tmp_path, str(video)) == tmp_path / "v_annotated_2.mp4"
    with pytest.raises(FileExistsError):
        write_annotated(str(video), tmp_path / "v_annotated.mp4", lambda time: ("red", 1.0))
    assert (tmp_path / "v_annotated.mp4").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v.mp4", "v_annotated.mp4"]


def test_a_file_system_without_links_and_a_long_name_are_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    video = coloured(tmp_path / f"{'語' * 80}.mp4", [("red", 3)])
    target = free_name(tmp_path, str(video))
    write_annotated(str(video), target, lambda time: ("red", 1.0))
    assert target.name == f"{'語' * 66}_annotated.mp4"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([video.name, target.name])
    with pytest.raises(FileExistsError):
        write_annotated(str(video), target, lambda time: ("red", 1.0))


def test_nothing_is_left_of_a_copy_that_cannot_be_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = coloured(tmp_path / "v.mp4", [("red", 9)])
    whole = VideoReader._decode
    monkeypatch.setattr(VideoReader, "_decode", lambda *a: (f for i, f in enumerate(whole(*a)) if i < 5))
    with pytest.raises(DecodeError, match="do not come out of the decoder"):
        write_annotated(str(video), tmp_path / "copy.mp4", lambda time: ("red", 1.0))
    assert [path.name for path in tmp_path.iterdir()] == ["v.mp4"]


def test_a_class_name_of_several_lines_is_written_on_one() -> None:
    picture = np.zeros((60, 240, 3), np.uint8)
    assert captioned(picture, "a\nb", 0.5) == captioned(picture, "a\\x0ab", 0.5)
