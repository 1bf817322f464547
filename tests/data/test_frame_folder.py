"""Folders of frames as people have them: covers, steps, 16 bits, EXIF, changing sizes, and what is no image at all."""

import os
import signal
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from video_adapters.data.annotations import Video
from video_adapters.data.video import picture
from video_adapters.data.video.frame_folder import FrameFolder
from video_adapters.data.video.frame_source import DecodeError
from video_adapters.data.video.probe_video import probe_video
from video_adapters.data.video.reader import open_video

from helpers.videos import frame_number, numbered_frames, stored_for_display

COUNT = 6
FRAMES = numbered_frames(COUNT)
# EXIF's orientations and the display matrices that say the same (a, b, c, d): see helpers/videos.py
EXIF = {
    1: (1, 0, 0, 1), 2: (-1, 0, 0, 1), 3: (-1, 0, 0, -1), 4: (1, 0, 0, -1), 5: (0, 1, 1, 0), 6: (0, 1, -1, 0),
    7: (0, -1, -1, 0), 8: (0, -1, 1, 0),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, frame in enumerate(FRAMES, 1):
        Image.fromarray(frame).save(tmp_path / f"img_{number:05d}.png")
    return tmp_path


def renumbered(folder: Path, numbers: list[int]) -> None:
    for old, new in reversed(list(enumerate(numbers, 1))):
        (folder / f"img_{old:05d}.png").rename(folder / f"img_{new:05d}.png")


def read(folder: Path, strict: bool = False) -> tuple[np.ndarray, tuple[str, ...]]:
    with open_video(Video(str(folder), 0), strict) as video:
        return video.read(range(video.num_frames)), video.quality


def test_frames_may_go_by_a_step(folder: Path) -> None:
    renumbered(folder, [5, 10, 15, 20, 25, 30])
    frames, quality = read(folder, strict=True)
    assert [frame_number(frame) for frame in frames] == list(range(COUNT))
    assert quality == ()


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ([1, 2, 3, 5, 6, 7], "lacks 1 of the frames 1 to 7, such as 4"),
        ([5, 10, 15, 25, 30, 40], "lacks 2 of the frames 5 to 40 by steps of 5, such as 20"),
        ([5, 10, 15, 22, 27, 32], "numbers its images by steps of 5, but 15 is followed by 22"),
        ([1, 2, 3, 4, 5, 10**9], "lacks 999999994 of the frames 1 to 1000000000, such as 6"),
    ],
)
def test_an_irregular_gap_is_named(numbers: list[int], message: str, folder: Path) -> None:
    renumbered(folder, numbers)
    with pytest.raises(DecodeError, match=message):
        FrameFolder(str(folder))


def test_two_images_far_apart_are_no_step(folder: Path) -> None:
    for number in range(3, COUNT + 1):
        (folder / f"img_{number:05d}.png").unlink()
    assert len(read(folder)[0]) == 2
    renumbered(folder, [1, 10**9])
    with pytest.raises(DecodeError, match="lacks 999999998 of the frames 1 to 1000000000, such as 2"):
        FrameFolder(str(folder))


@pytest.mark.parametrize("name", ["cover.png", "cover_2.png", "thumb-7000.png"])
def test_an_image_beside_the_frames_is_left_out_and_named(name: str, folder: Path) -> None:
    Image.new("RGB", (9, 9)).save(folder / name)
    frames, quality = read(folder)
    np.testing.assert_array_equal(frames, FRAMES)
    assert quality == (f"left out as no frames: {name}",)
    assert (probe_video(Video(str(folder), 0)).status, probe_video(Video(str(folder), 0)).reason) == ("ok", quality[0])
    with pytest.raises(DecodeError, match=f"the image {name} has no number of its own"):
        read(folder, strict=True)


def test_two_series_in_one_folder_are_refused(folder: Path) -> None:
    for number in range(1, COUNT + 1):
        Image.new("RGB", (9, 9)).save(folder / f"flow_{number:05d}.png")
    with pytest.raises(DecodeError, match=r"the images .*0000\d.png and .*0000\d.png have the same number"):
        FrameFolder(str(folder))


def test_images_without_numbers_are_no_video(tmp_path: Path) -> None:
    (tmp_path / "cover.png").touch()
    with pytest.raises(DecodeError, match=r"holds no image whose name ends in a number, but cover\.png"):
        FrameFolder(str(tmp_path))


def test_frames_of_changing_size_get_the_first_ones(folder: Path) -> None:
    white = np.full((30, 90, 3), 255, np.uint8)
    for number in (3, 5):
        Image.fromarray(white).save(folder / f"img_{number:05d}.png")
    frames, quality = read(folder)
    assert frames.shape == FRAMES.shape
    assert (frames[[2, 4]] == 255).all()
    np.testing.assert_array_equal(frames[[0, 1, 3, 5]], FRAMES[[0, 1, 3, 5]])
    assert quality == ("2 frames of another size than the first, resized to its 64x48",)
    with open_video(Video(str(folder), 0)) as video:
        assert video.read([4]).shape == (1, 48, 64, 3)  # also where the first is not among them
        assert video.num_resized == 1
    found = probe_video(Video(str(folder), 0))
    assert (found.status, found.reason, found.width, found.height) == ("resized", quality[0], 64, 48)
    with pytest.raises(DecodeError, match="the frame size changes on the way"):
        read(folder, strict=True)
    assert probe_video(Video(str(folder), 0), strict=True).status == "broken"


@pytest.mark.parametrize("suffix", ["jpg", "tif", "png", "webp"])
@pytest.mark.parametrize("orientation", EXIF)
def test_images_stand_as_exif_says(orientation: int, suffix: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    for number, stored in enumerate(stored_for_display(FRAMES, EXIF[orientation])):
        Image.fromarray(stored).save(tmp_path / f"{number}.{suffix}", exif=exif, quality=95)
    frames, quality = read(tmp_path)
    assert frames.shape == FRAMES.shape
    assert [frame_number(frame) for frame in frames] == list(range(COUNT))
    assert quality == ()


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_grey_of_16_bits_is_scaled(suffix: str, tmp_path: Path) -> None:
    levels = np.arange(0, 65536, 64, np.uint32).reshape(16, 64).astype(np.uint16)
    Image.fromarray(levels).save(tmp_path / f"1.{suffix}")
    (frame,), _ = read(tmp_path)
    np.testing.assert_array_equal(frame, (levels >> 8).astype(np.uint8)[..., None].repeat(3, 2))


def test_grey_of_unknown_white_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.ones((8, 8), np.float32)).save(tmp_path / "1.tif")
    with pytest.raises(DecodeError, match=r"1\.tif cannot be read .*have no known white: save it in 8 or 16 bits"):
        read(tmp_path)


def claims(width: int, height: int) -> Callable[[Path], None]:
    """A PNG whose header (PNG specification, 11.2.2) says so."""

    def write(path: Path) -> None:
        Image.new("L", (1, 1)).save(path)
        content = bytearray(path.read_bytes())
        content[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
        content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
        path.write_bytes(content)

    return write


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (claims(20000, 20000), "could be decompression bomb"),
        (claims(8192, 8193), "is 8192x8193 pixels large, more than 64 million"),
        (os.mkfifo, "it is no file"),
        (device, "it is no file"),
        (Path.mkdir, "it is no file"),
    ],
    ids=["huge", "large", "pipe", "device", "folder"],
)
def test_what_cannot_be_read_is_named_and_waited_for_by_nobody(spoil, reason: str, folder: Path) -> None:  # type: ignore[no-untyped-def]
    image = folder / "img_00003.png"
    image.unlink()
    spoil(image)
    signal.alarm(20)
    try:
        with pytest.raises(DecodeError, match=rf"img_00003\.png cannot be read as an image: .*{reason}"):
            read(folder)
        assert probe_video(Video(str(folder), 0)).status == "broken"
    finally:
        signal.alarm(0)


def test_memory_that_is_not_there_is_an_error_of_the_image(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(picture, "_eight_bits", exhausted)
    with pytest.raises(DecodeError, match=r"img_00001\.png cannot be read as an image: MemoryError"):
        read(folder)
