"""A copy of a video with the recognised class written on it."""

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from video_adapters.commands.atomic import replacing
from video_adapters.commands.wording import printable
from video_adapters.data.annotations import UNLABELLED, Video
from video_adapters.data.video.reader import open_video
from video_adapters.recognition.timeline import FPS, Track, seconds, untracked

CLOCK = Fraction(1, 90_000)  # of the copy's time stamps: MPEG's, which the usual frame rates divide
LEGIBLE = 240  # pixels: smaller pictures are enlarged, by a whole number, until a line of text can be read
CRF = "18"  # of x264: hardly to be told from the original

Caption = Callable[[float], tuple[str, float]]
"""Time in seconds -> class name and its probability."""


def write_annotated(video: str, target: Path, caption: Caption, fps: float = FPS, track: Track = untracked) -> None:
    """Writes an h264 mp4 of all frames of a video, at their own times, with a caption; sound is left out.

    Raises:
        DecodeError: a frame cannot be had. Nothing is left at `target` then.
        FileExistsError: `target` exists.
    """
    with (
        replacing(target, over=False) as part,
        open_video(Video(video, UNLABELLED)) as span,
        av.open(str(part), "w", format="mp4") as container,
    ):
        times, _ = seconds(span, fps)
        stream = container.add_stream("libx264", rate=30, options={"crf": CRF})
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = CLOCK
        for index, picture in track(span.stream(range(span.num_frames)), span.num_frames):
            image = captioned(picture, *caption(float(times[index])))
            if not index:  # an open encoder takes no size any more
                stream.width, stream.height = image.size
            frame = av.VideoFrame.from_image(image)
            frame.pts, frame.time_base = round(times[index] / CLOCK), CLOCK
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def captioned(picture: np.ndarray, class_name: str, probability: float) -> Image.Image:
    """A frame, (H, W, 3), enlarged to be legible and even-sided, with a line at its bottom: class, share, and a bar."""
    image = Image.fromarray(np.ascontiguousarray(picture))
    factor = max(1, -(-LEGIBLE // min(image.size)))
    image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    image = image.crop((0, 0, image.width + image.width % 2, image.height + image.height % 2))
    height = max(20, image.height // 12)
    top = image.height - height
    shade = Image.new("RGB", (image.width, height), (20, 20, 20))
    ImageDraw.Draw(shade).rectangle((0, 0, max(0, round(image.width * probability) - 1), height), fill=(30, 100, 60))
    image.paste(Image.blend(image.crop((0, top, image.width, image.height)), shade, 0.75), (0, top))
    text = f"{printable(class_name)}  {probability:.0%}"
    size, room = round(height * 0.7), image.width - height // 2
    if (length := ImageFont.load_default(size).getlength(text)) > room:
        size = max(9, int(size * room / length))  # smaller is not legible
    font = ImageFont.load_default(size)
    ImageDraw.Draw(image).text((height // 4, top + height // 2), text, fill="white", font=font, anchor="lm")
    return image


def free_name(folder: Path, video: str) -> Path:
    """Where the copy of a video goes: `NAME_annotated.mp4`, numbered where that exists already."""
    stem = os.fsencode(Path(os.path.abspath(video)).stem)[:200].decode(errors="ignore")  # of the 255 bytes of a name
    target, number = folder / f"{stem}_annotated.mp4", 1
    while os.path.lexists(target):
        number += 1
        target = folder / f"{stem}_annotated_{number}.mp4"
    return target
