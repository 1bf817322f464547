"""Thirty kinds of broken and odd input: each is read right, or reported by name. `pytest -s` shows them as a table."""

import os
import signal
import struct
import wave
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest
from PIL import Image

from video_adapters.data.annotations import Video
from video_adapters.data.clips.sample import Segments, Strided
from video_adapters.data.video.frame_source import DecodeError
from video_adapters.data.video.picture import resized
from video_adapters.data.video.probe_video import probe_video
from video_adapters.data.video.reader import open_video

from helpers.videos import (
    copy_packets,
    decode_in_sequence,
    frame_number,
    numbered_frames,
    rotate_on_display,
    write_video,
)

LENGTH = 24
NUM_FRAMES = 8  # T
TIME_LIMIT = 10  # seconds for one file, which takes milliseconds
FRAMES = numbered_frames(LENGTH)
TWICE = [*range(12), *range(12)]
SHARP = {"crf": "12", "g": "12", "sc_threshold": "0", "bf": "2"}


class Made(NamedTuple):
    """A file, and what its frames are where plain PyAV cannot tell."""

    path: str
    frames: np.ndarray | None = None


@dataclass(frozen=True)
class Kind:
    """How to make it, and what is to become of it."""

    make: Callable[[Path, pytest.MonkeyPatch], Made | Path]
    reason: str = ""  # part of what is said of it; nothing where it is simply right
    numbers: Sequence[int] | None = range(LENGTH)  # of the frames that must come out; None where it must not be read


class Outcome(NamedTuple):
    verdict: str  # right, remarked (right, with a word on it) or reported
    reason: str
    numbers: list[int]
    status: str  # that `python src/prepare.py check` gives it


def mp4(folder: Path, name: str = "v.mp4", frames: np.ndarray = FRAMES, **options: str) -> Path:
    first = {"movflags": "faststart"}  # the index before the frames, as on the net
    return write_video(folder / name, frames, options=SHARP | options, container_options=first)


def content(name: str, data: bytes) -> Callable[..., Path]:
    def make(folder: Path, _: pytest.MonkeyPatch) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


def changed(change: Callable[[bytearray], bytes | bytearray], **options: str) -> Callable[..., Path]:
    def make(folder: Path, _: pytest.MonkeyPatch) -> Path:
        path = mp4(folder, **options)
        path.write_bytes(change(bytearray(path.read_bytes())))
        return path

    return make


def zeroed(data: bytearray) -> bytearray:
    """As left by a download tool that reserves the space first."""
    start = data.index(b"mdat")
    first, last = start + (len(data) - start) * 2 // 5, start + (len(data) - start) * 3 // 5
    data[first:last] = bytes(last - first)
    return data


def flipped(data: bytearray) -> bytearray:
    start = data.index(b"mdat") + 800  # past the encoder's name
    for place in np.random.default_rng(0).integers(start, len(data), 40):
        data[place] ^= 0xFF
    return data


def timeless(data: bytearray) -> bytearray:
    """Every duration in an mp4 is 0: of film, track and medium, and from each frame to the next (ISO 14496-12)."""
    for box, place in ((b"mvhd", 20), (b"mdhd", 20), (b"tkhd", 24), (b"stts", 16)):
        start = data.index(box) + place
        data[start : start + 4] = bytes(4)
    return data


def sound_only(folder: Path, _: pytest.MonkeyPatch) -> Path:
    with wave.open(str(folder / "v.mp4"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(struct.pack("<800h", *range(800)))
    return folder / "v.mp4"


def variable_rate(folder: Path, _: pytest.MonkeyPatch) -> Path:
    times = np.cumsum(np.random.default_rng(1).integers(10, 300, LENGTH))
    return write_video(folder / "v.mp4", FRAMES, options=SHARP, times=times.tolist())


def in_format(pix_fmt: str, codec: str = "libx264", **options: str) -> Callable[..., Path]:
    def make(folder: Path, _: pytest.MonkeyPatch) -> Path:
        return write_video(folder / "v.mkv", FRAMES, codec, options or SHARP, pix_fmt=pix_fmt)

    return make


def rotated(folder: Path, _: pytest.MonkeyPatch) -> Made:
    stored = np.rot90(FRAMES, axes=(1, 2))
    path = rotate_on_display(mp4(folder, frames=stored), (0, 1, -1, 0))
    return Made(str(path), np.rot90(decode_in_sequence(path), -1, axes=(1, 2)))


def latin_1(folder: Path, _: pytest.MonkeyPatch) -> Made:
    path = folder / "v.mp4"
    with av.open(str(mp4(folder, "plain.mp4"))) as read, av.open(str(path), "w") as write:
        write.metadata["title"] = "cafe"
        copy = write.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(video=0):
            if packet.size:
                packet.stream = copy
                write.mux(packet)
    path.write_bytes(path.read_bytes().replace(b"cafe", "café".encode("latin-1")))
    return Made(str(path), decode_in_sequence(folder / "plain.mp4"))


def png(folder: Path, _: pytest.MonkeyPatch) -> Path:
    Image.fromarray(FRAMES[0]).save(folder / "v.mp4", format="png")
    return folder / "v.mp4"


def forbidden(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """Simulated, since root may read everything."""

    def refuse(path: str, **_: object) -> None:
        raise av.error.PermissionError(13, "Permission denied", path)

    path = mp4(folder)
    patch.setattr("av.open", refuse)
    return path


def loop(folder: Path, _: pytest.MonkeyPatch) -> Path:
    os.symlink("v.mp4", folder / "v.mp4")
    return folder / "v.mp4"


def empty_folder(folder: Path, _: pytest.MonkeyPatch) -> Path:
    (folder / "v.mp4").mkdir()
    return folder / "v.mp4"


def deep(folder: Path, _: pytest.MonkeyPatch) -> Path:
    inner = folder.joinpath(*["long" * 50] * 10)
    inner.mkdir(parents=True)
    return mp4(inner)


def named(*names: str) -> Callable[..., Made]:
    """One file under several names, relative to the current folder; the last counts, all must open."""

    def make(folder: Path, patch: pytest.MonkeyPatch) -> Made:
        expected = decode_in_sequence(mp4(folder, "plain.mp4"))
        patch.chdir(folder)
        for name in names:
            os.link("plain.mp4", name)
            with open_video(Video(name, 0)) as video:
                np.testing.assert_array_equal(video.read(range(LENGTH)), expected)
        return Made(names[-1], expected)

    return make


def two_sizes(folder: Path, _: pytest.MonkeyPatch) -> Made:
    parts = [mp4(folder, f"{height}.h264", FRAMES[:12].repeat(height // 48, 1)) for height in (48, 96)]
    (folder / "v.h264").write_bytes(b"".join(part.read_bytes() for part in parts))
    first, second = map(decode_in_sequence, parts)
    return Made(str(folder / "v.h264"), np.concatenate([first, [resized(frame, 48, 64) for frame in second]]))


def frame_folder(spoil: Callable[[Path], object]) -> Callable[..., Path]:
    def make(folder: Path, _: pytest.MonkeyPatch) -> Path:
        for number, frame in enumerate(FRAMES, 1):
            Image.fromarray(frame).save(folder / f"img_{number:05d}.png")
        spoil(folder / "img_00007.png")
        return folder

    return make


KINDS = {
    "empty": Kind(content("v.mp4", b""), "no video, or so damaged", None),
    "text": Kind(content("v.txt", b"no video\n" * 99), "is no video", None),
    "html": Kind(
        content("v.mp4", b"<!DOCTYPE html><html><body>404 Not Found</body></html>\n" * 9),
        "no video, or so damaged",
        None,
    ),
    "cut header": Kind(changed(lambda data: data[40:]), "", None),
    "cut tail": Kind(lambda folder, _: cut_tail(folder), "is cut short", range(20)),
    "half-downloaded mp4": Kind(lambda folder, _: half(folder), "is cut short", range(12)),
    "zeroed middle": Kind(changed(zeroed), "", None),
    "flipped bytes": Kind(changed(flipped), "", None),
    "audio only": Kind(sound_only, "no video stream", None),
    "one frame": Kind(lambda folder, _: mp4(folder, frames=FRAMES[:1]), numbers=range(1)),
    "fewer frames than T": Kind(lambda folder, _: mp4(folder, frames=FRAMES[:3]), numbers=range(3)),
    "variable frame rate": Kind(variable_rate),
    "edit list": Kind(
        lambda folder, _: copy_packets(mp4(folder, "whole.mp4"), folder / "v.mp4", shift=7), numbers=range(7, LENGTH)
    ),
    "odd size": Kind(
        lambda folder, _: write_video(
            folder / "v.webm", numbered_frames(LENGTH, 51, 67), "libvpx-vp9", {"cpu-used": "8", "b": "1M"}
        )
    ),
    "10 bit": Kind(in_format("yuv420p10le")),
    "4:4:4": Kind(in_format("yuv444p")),
    "grey": Kind(in_format("gray")),
    "rotation": Kind(rotated),
    "latin-1 metadata": Kind(latin_1),
    "png named mp4": Kind(png, numbers=range(1)),
    "permission denied": Kind(forbidden, "Permission denied", None),
    "folder named .mp4": Kind(empty_folder, "is a folder that holds no image", None),
    "symlink loop": Kind(loop, "symbolic links", None),
    "very long path": Kind(deep),
    "non-ASCII names": Kind(named("ü 名=(1)#.mp4", os.fsdecode(b"\xff\xfe.mp4"))),
    "name beginning with '-'": Kind(named("-i.mp4", "--help.mp4", "-a:b c.mp4")),
    "zero duration": Kind(changed(timeless, bf="0")),
    "size change mid-stream": Kind(two_sizes, "frames of another size than the first, resized to its 64x48", TWICE),
    "0-byte frame image": Kind(frame_folder(lambda file: file.write_bytes(b"")), "img_00007.png cannot be read", None),
    "missing frame in a folder": Kind(frame_folder(Path.unlink), "lacks 1 of the frames 1 to 24, such as 7", None),
}


def packets(path: Path) -> list[av.Packet]:
    with av.open(str(path)) as container:
        return [packet for packet in container.demux(video=0) if packet.size]


def cut_tail(folder: Path) -> Path:
    """A recording that ends amid its 21st frame."""
    path = write_video(folder / "v.mkv", FRAMES, options=SHARP | {"bf": "0"})
    cut = packets(path)[20]
    path.write_bytes(path.read_bytes()[: cut.pos + cut.size // 2])
    return path


def half(folder: Path) -> Path:
    """A download that ends after 12 of 24 frames; the index, which comes first, names them all."""
    path = mp4(folder, bf="0")
    path.write_bytes(path.read_bytes()[: packets(path)[12].pos])
    return path


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def read(path: str) -> tuple[np.ndarray, list[tuple[list[int], np.ndarray]], str]:
    """All frames, the clips of both samplings with their indices, and what is odd."""
    with open_video(Video(path, 0)) as video:
        frames = video.read(range(video.num_frames))
        samplings = (Segments(num_frames=NUM_FRAMES), Strided(num_frames=NUM_FRAMES, stride=2))
        indices = [clip for sampling in samplings for clip in sampling.test(video.num_frames, 1)]
        clips = [(clip, video.read(clip)) for clip in indices]
        return frames, clips, "; ".join(dict.fromkeys(video.quality))


def outcome(made: Made) -> Outcome:
    """What reading all frames, and the clips of both samplings, comes to."""
    status = probe_video(Video(made.path, 0)).status
    try:
        frames, clips, remarks = read(made.path)
    except DecodeError as error:
        named = error.path == made.path and str(error).startswith(made.path)
        return Outcome("reported" if named else "reported without a name", error.reason, [], status)
    expected = made.frames if made.frames is not None else decode_in_sequence(Path(made.path))
    np.testing.assert_array_equal(frames, expected)
    for indices, clip in clips:
        assert len(indices) == NUM_FRAMES
        np.testing.assert_array_equal(clip, expected[indices])
    return Outcome("remarked" if remarks else "right", remarks, [frame_number(frame) for frame in frames], status)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """What becomes of each kind."""
    outcomes = {}
    for number, (name, kind) in enumerate(KINDS.items()):
        with pytest.MonkeyPatch.context() as patch, limited(TIME_LIMIT):
            made = kind.make(tmp_path_factory.mktemp(f"kind{number}"), patch)
            outcomes[name] = outcome(made if isinstance(made, Made) else Made(str(made)))
    return outcomes


@pytest.mark.parametrize("name", KINDS)
def test_odd_input_is_right_or_reported(name: str, table: dict[str, Outcome]) -> None:
    kind, (verdict, reason, numbers, status) = KINDS[name], table[name]
    assert kind.reason in reason
    if kind.numbers is None:
        assert verdict == "reported"
        assert reason
        assert status == "broken"
    else:
        assert numbers == list(kind.numbers)
        assert verdict == ("remarked" if kind.reason else "right")
        odd = {"rotation": "rotated", "size change mid-stream": "resized"}
        assert status == odd.get(name, "truncated" if kind.reason else "ok")


def test_the_table_has_thirty_kinds(table: dict[str, Outcome], tmp_path_factory: pytest.TempPathFactory) -> None:
    lines = ["| kind | outcome | check | what is said |", "| --- | --- | --- | --- |"]
    lines += [f"| {name} | {verdict} | {status} | {reason} |" for name, (verdict, reason, _, status) in table.items()]
    text = "\n".join(lines)
    (tmp_path_factory.getbasetemp() / "odd_input.md").write_text(text)
    print(f"\n{text}")
    assert len(table) == 30
