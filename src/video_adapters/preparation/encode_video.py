"""One video to a file that decodes fast: h264 with a key frame every few frames, nothing that costs a decoder time."""

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from video_adapters.commands.atomic import replacing
from video_adapters.data.annotations import UNLABELLED, Video
from video_adapters.data.video.decode import ONE_THREAD, VideoReader
from video_adapters.data.video.frame_source import DecodeError
from video_adapters.data.video.reader import Span, open_video

CLOCK = Fraction(1, 90_000)  # what most frame rates divide into whole ticks
# fastdecode leaves out the deblocking filter and arithmetic coding. B-frames, to which no other frame refers, need not
# be decoded where they are not wanted: of 12 frames at most 3 are on the way to any other.
OPTIONS = {"preset": "veryfast", "tune": "fastdecode", "bf": "3", "b-pyramid": "none"}


class Copy(NamedTuple):
    """One video, from where to where."""

    source: str  # a file, or a folder of frames
    target: str


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the copy is made."""

    short_side: int | None = 256  # pixels; what is smaller stays as it is, and so does all for None
    crf: int = 20  # x264's quality, from 0 (lossless) to 51; 20 is hard to tell from the original
    gop: int = 12  # frames from one key frame to the next

    def __post_init__(self) -> None:
        if self.short_side is not None and self.short_side < 16:
            raise ValueError(f"--short-side is {self.short_side}, expected native or at least 16 pixels")
        if not 0 <= self.crf <= 51:
            raise ValueError(f"--crf is {self.crf}, expected 0 to 51")
        if self.gop < 1:
            raise ValueError(f"--gop is {self.gop}, expected at least 1 frame")


def write_copy(source: str, target: str, settings: Settings) -> None:
    """Writes the same frames in the same order, upright and without sound; the target appears when it is whole.

    A folder of frames becomes a video of them. Colours go by way of RGB as it is read for training, so that every
    colour space ends as the one that decoders take for granted. Sides become even, as h264 wants them.

    Raises:
        DecodeError: the source cannot be read from end to end.
        ValueError: what was written does not have the frames that the source has.
    """
    with open_video(Video(source, UNLABELLED)) as video, replacing(Path(target)) as part:
        _encode(video, str(part), settings)
        with VideoReader(str(part)) as written:
            if written.num_frames != video.num_frames or written.quality:
                raise ValueError(
                    f"{source}: {written.num_frames} of {video.num_frames} frames were written {written.quality}"
                )


def is_done(source: str, target: str) -> bool:
    """Whether the target is there, whole, and not older than the source."""
    try:
        with VideoReader(target) as written:
            return not written.quality and os.path.getmtime(target) >= os.path.getmtime(source)
    except (DecodeError, OSError):
        return False


def _encode(video: Span, path: str, settings: Settings) -> None:
    options = OPTIONS | {"crf": str(settings.crf), "g": str(settings.gop)}
    ticks = _ticks(video)
    with av.open(path, "w", format="mp4") as container:
        stream = container.add_stream("libx264", options=options)
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", CLOCK
        stream.codec_context.thread_count = 1
        reformatter = VideoReformatter()
        for index, picture in video.stream(range(video.num_frames)):
            if index == 0:
                stream.height, stream.width = _size(picture.shape[0], picture.shape[1], settings.short_side)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame = reformatter.reformat(
                frame, stream.width, stream.height, "yuv420p", interpolation=Interpolation.BICUBIC, **ONE_THREAD
            )
            frame.pts, frame.time_base = ticks[index], CLOCK
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _ticks(video: Span) -> list[int]:
    """When each frame is shown, rising; 30 a second where the source does not say."""
    try:
        times = video.times
    except DecodeError:
        times = None
    if times is None:
        times = np.arange(video.num_frames) / 30
    ticks = np.round(times / float(CLOCK)).astype(np.int64)
    rising = np.maximum.accumulate(ticks - np.arange(len(ticks))) + np.arange(len(ticks))
    return [int(tick) for tick in rising]


def _size(height: int, width: int, short_side: int | None) -> tuple[int, int]:
    """Height and width of the copy, even, the short side at most `short_side`."""
    scale = 1.0 if short_side is None else min(1.0, short_side / min(height, width))
    return max(2, 2 * round(height * scale / 2)), max(2, 2 * round(width * scale / 2))
