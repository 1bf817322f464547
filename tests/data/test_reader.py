"""Frame folders and spans: a video whatever it is stored as."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from video_adapters.data.annotations import END, Video
from video_adapters.data.video.frame_source import DecodeError
from video_adapters.data.video.reader import open_video

from helpers.videos import frame_number, numbered_frames, write_video


def folder_of(path: Path, count: int = 6, name: str = "img_{:05d}.png", first: int = 1) -> Path:
    path.mkdir()
    for number, frame in enumerate(numbered_frames(count), first):
        Image.fromarray(frame).save(path / name.format(number))
    return path


def shown(video: Video) -> list[int]:
    with open_video(video) as reader:
        return [frame_number(frame) for frame in reader.read(range(reader.num_frames))]


@pytest.mark.parametrize("name", ["img_{:05d}.png", "{}.png", "frame-{:03d}.bmp"])
def test_a_folder_of_frames_is_a_video_in_the_order_of_its_numbers(name: str, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "v", count=12, name=name)
    (folder / "notes.txt").write_text("no frame")
    assert shown(Video(str(folder), 0)) == list(range(12))
    with open_video(Video(str(folder), 0)) as reader:
        frames = reader.read([7, 2, 2])
        np.testing.assert_array_equal(frames, numbered_frames(12)[[7, 2, 2]])
        assert reader.quality == ()


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_only_the_frames_of_the_span_are_seen(kind: str, tmp_path: Path) -> None:
    if kind == "folder":
        path = folder_of(tmp_path / "v", count=9)
    else:
        path = write_video(tmp_path / "v.mp4", numbered_frames(9))
    assert shown(Video(str(path), 0, 3, 7)) == [3, 4, 5, 6]
    assert shown(Video(str(path), 0, 3)) == [3, 4, 5, 6, 7, 8]
    assert shown(Video(str(path), 0, 6, 99)) == [6, 7, 8]  # annotations may overstate the end
    with open_video(Video(str(path), 0, 3, 7)) as reader, pytest.raises(ValueError, match=r"frames \[4\] asked for"):
        reader.read([4])
    with open_video(Video(str(path), 0, 3, 7)) as reader:
        assert [(i, frame_number(frame)) for i, frame in reader.stream([3, 0, 3])] == [(0, 3), (3, 6)]
        with pytest.raises(ValueError, match=r"frames \[4\] asked for"):
            list(reader.stream([4]))
        if kind == "folder":
            assert reader.times is None
        else:
            np.testing.assert_allclose(reader.times, [0, 1 / 30, 2 / 30, 3 / 30], atol=1e-6)
    with pytest.raises(DecodeError, match=r"has 9 frames, none of 9 to 12"), open_video(Video(str(path), 0, 9, 12)):
        pass


def test_a_folder_without_images_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").mkdir()
    with (
        pytest.raises(DecodeError, match="is a folder that holds no image"),
        open_video(Video(str(tmp_path / "v.mp4"), 0)),
    ):
        pass


def test_a_missing_frame_is_named(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "v")
    (folder / "img_00003.png").unlink()
    with pytest.raises(DecodeError, match="lacks 1 of the frames 1 to 6, such as 3"), open_video(Video(str(folder), 0)):
        pass


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff\xe0 no jpeg", b"<html>"])
def test_an_image_that_is_none_is_named(content: bytes, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "v")
    (folder / "img_00003.png").write_bytes(content)
    with open_video(Video(str(folder), 0, 0, END)) as reader:
        assert len(reader.read([0, 1])) == 2
        with pytest.raises(DecodeError, match=r"img_00003.png cannot be read as an image"):
            reader.read([2])
