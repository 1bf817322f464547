"""Videos like those of the data sets, written for benchmarks/input.py."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

NOISE = 2.0  # standard deviation of what is left of the camera's noise, in steps of 8 bits
THINGS = 4


@dataclass(frozen=True, kw_only=True)
class File:
    """A video like those of a data set."""

    data: str  # name under configs/data
    name: str  # of the file, which decides the container
    codec: str
    height: int
    width: int
    num_frames: int
    rate: int  # frames per second
    options: dict[str, str]  # of the encoder


FILES = [
    # one group of pictures, about 90 KB: the release is 220 847 videos in 19.4 GB
    File(
        data="ssv2", name="ssv2.webm", codec="libvpx-vp9", height=240, width=427, num_frames=45, rate=12,
        options={"b": "190k", "g": "999", "deadline": "good", "cpu-used": "5"},
    ),
    # the usual 340x256 copies: about 450 kbit/s, otherwise x264 as it comes (a key frame every 250, 3 B-frames)
    File(
        data="k400", name="k400.mp4", codec="libx264", height=256, width=340, num_frames=300, rate=30,
        options={"b": "450k", "g": "250"},
    ),
]  # fmt: skip


def write(file: File, path: Path) -> None:
    """Encodes moving pictures as the data set's are encoded."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(file.codec, rate=file.rate, options=file.options)
        stream.height, stream.width, stream.pix_fmt = file.height, file.width, "yuv420p"
        for index, picture in enumerate(_pictures(file)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, file.rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _pictures(file: File) -> Iterator[np.ndarray]:
    """(H, W, 3) for each frame: textured things that move about on a textured ground, by a hand-held, noisy camera."""
    generator = np.random.default_rng(0)
    ground = _texture(2 * file.height, 2 * file.width, generator)
    things = [_texture(file.height // 3, file.height // 3, generator) for _ in range(THINGS)]
    paths = generator.uniform(0.3, 1.5, (THINGS, 2, 2))  # turns per second and phase, across and down
    shake = generator.normal(0, 1.0, (file.num_frames, 2)).cumsum(0)
    for index in range(file.num_frames):
        x, y = file.width / 2 + shake[index, 0] + index * 0.4, file.height / 2 + shake[index, 1]
        zoom = 1 - 0.2 * index / file.num_frames
        view = ground.transform(
            (file.width, file.height), Image.Transform.AFFINE, (zoom, 0, x, 0, zoom, y), Image.Resampling.BILINEAR
        )
        for thing, path in zip(things, paths, strict=True):
            share = 0.5 + 0.5 * np.sin(2 * np.pi * path[:, 0] * index / file.rate / 2 + 9 * path[:, 1])
            place = [round(s * (whole - thing.width)) for s, whole in zip(share, view.size, strict=True)]
            view.paste(thing, (place[0], place[1]))
        noisy = np.asarray(view) + generator.normal(0, NOISE, (file.height, file.width, 3))
        yield noisy.clip(0, 255).astype(np.uint8)


def _texture(height: int, width: int, generator: np.random.Generator) -> Image.Image:
    """Blotches of every size, the larger the stronger, as pictures of the world have them."""
    total = np.full((height, width, 3), 128.0)
    for cell in (2, 4, 8, 16, 32, 64):
        coarse = generator.normal(0, 1, (height // cell + 2, width // cell + 2, 3))
        for channel in range(3):
            layer = Image.fromarray(coarse[..., channel].astype(np.float32)).resize(
                (width, height), Image.Resampling.BICUBIC
            )
            total[..., channel] += 4 * cell**0.5 * np.asarray(layer)
    return Image.fromarray(total.clip(0, 255).astype(np.uint8))
