"""Small video files whose frames say which they are."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BLOCK = 8  # pixels per bit of the frame number: as large as a transform block, so that no codec blurs it away
NUM_BITS = 8


def numbered_frames(count: int, height: int = 48, width: int = 64) -> np.ndarray:
    """A texture that slides, and on it the frame number in 2 x 4 black or white blocks -> (count, H, W, 3)."""
    texture = np.random.default_rng(0).integers(60, 200, (height // 4 + 1, width // 4 + 1 + count, 3), np.uint8)
    frames = np.stack([texture[:, i : i + width // 4 + 1].repeat(4, 0).repeat(4, 1) for i in range(count)])
    frames = frames[:, :height, :width].copy()
    for number, bit in np.ndindex(count, NUM_BITS):
        top, left = BLOCK * (bit // 4), BLOCK * (bit % 4)
        frames[number, top : top + BLOCK, left : left + BLOCK] = 255 * (number >> bit & 1)
    return frames


def frame_number(frame: np.ndarray) -> int:
    """The number on a frame of `numbered_frames`, (H, W, 3)."""
    blocks = frame[: 2 * BLOCK, : 4 * BLOCK].reshape(2, BLOCK, 4, BLOCK, 3).mean((1, 3, 4)).ravel()
    return sum(1 << bit for bit, value in enumerate(blocks) if value > 127)


def write_video(
    path: Path,
    frames: np.ndarray,
    codec: str = "libx264",
    options: Mapping[str, str] | None = None,
    times: Sequence[int] | None = None,
    pix_fmt: str = "yuv420p",
    container_options: Mapping[str, str] | None = None,
) -> Path:
    """Encodes frames, (T, H, W, 3), at 30 Hz, or at the given times in milliseconds."""
    with av.open(str(path), "w", container_options=dict(container_options or {})) as container:
        stream = container.add_stream(codec, rate=30, options=dict(options or {}))
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pix_fmt
        stream.thread_count = 1
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for index, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[index], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def add_sound(source: Path, target: Path, seconds: int) -> Path:
    """Copies a video to another container, with so many seconds of silence."""
    with av.open(str(source)) as read, av.open(str(target), "w") as write:
        copy = write.add_stream_from_template(read.streams.video[0])
        sound = write.add_stream("pcm_s16le", rate=8000, layout="mono")
        for packet in [packet for packet in read.demux(read.streams.video[0]) if packet.size]:
            packet.stream = copy
            write.mux(packet)
        for second in range(seconds):
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
            silence.rate, silence.pts = 8000, 8000 * second
            write.mux(sound.encode(silence))
        write.mux(sound.encode(None))
    return target


def joined(sources: Sequence[Path], target: Path) -> Path:
    """Writes the packets of several videos one after the other, a second apart, under the first one's header."""
    with av.open(str(target), "w") as write, av.open(str(sources[0])) as first:
        copy = write.add_stream_from_template(first.streams.video[0])
        for second, source in enumerate(sources):
            with av.open(str(source)) as read:
                for packet in [packet for packet in read.demux(video=0) if packet.size]:
                    ticks = round(second / packet.time_base)
                    packet.pts, packet.dts, packet.stream = packet.pts + ticks, packet.dts + ticks, copy
                    write.mux(packet)
    return target


def copy_packets(source: Path, target: Path, first: int = 0, shift: int = 0, stop: int | None = None) -> Path:
    """Writes packets [first, stop) of a video to another container, `shift` frames of 30 Hz earlier, unencoded."""
    options = {"avoid_negative_ts": "disabled"}
    with av.open(str(source)) as read, av.open(str(target), "w", options=options) as write:
        stream = read.streams.video[0]
        copy = write.add_stream_from_template(stream)
        for packet in [packet for packet in read.demux(stream) if packet.size][first:stop]:
            ticks = round(shift / 30 / packet.time_base)
            packet.pts, packet.dts, packet.stream = packet.pts - ticks, packet.dts - ticks, copy
            write.mux(packet)
    return target


def rotate_on_display(path: Path, matrix: Sequence[int]) -> Path:
    """Sets the display matrix (a, b, c, d) of an mp4's only track, in the place where ISO 14496-12, 8.3.2 has it."""
    content = bytearray(path.read_bytes())
    a, b, c, d = (int(value * 2**16).to_bytes(4, "big", signed=True) for value in matrix)
    zero, start = bytes(4), content.index(b"tkhd") + 44
    content[start : start + 32] = a + b + zero + c + d + zero + zero + zero
    path.write_bytes(content)
    return path


def stored_for_display(frames: np.ndarray, matrix: Sequence[int]) -> np.ndarray:
    """What to store, (T, H, W, 3), so that the display matrix (a, b, c, d) shows the frames.

    It sends the pixel at (x, y) to (ax + cy, bx + dy), y pointing down.
    """
    a, b, c, d = matrix
    height, width = frames.shape[1:3] if a else frames.shape[2:0:-1]
    y, x = np.mgrid[:height, :width]
    across, down = a * x + c * y, b * x + d * y
    return frames[:, down - down.min(), across - across.min()]


def decode_in_sequence(path: Path) -> np.ndarray:
    """Every frame that PyAV gives, from start to end, as stored -> (T, H, W, 3)."""

    def pictures() -> Iterator[np.ndarray]:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format="rgb24")

    return np.stack(list(pictures()))
