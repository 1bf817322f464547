"""Pictures with known contents, for teaching an image encoder what the frames of `moving_shapes.py` are made of.

Nothing moves here: no still says what came before or after it.
"""

from typing import NamedTuple

import numpy as np

from video_adapters.data.shapes import drawing as shapes
from video_adapters.data.shapes.drawing import Subject

# The ranges cover those of motions.py, in image sides.
SMALLEST, LARGEST, LARGEST_OF_PAIR = 0.09, 0.28, 0.15
CLOSEST, FARTHEST = 0.06, 0.36
VISIBLE = 0.15  # opacity from which on a thing's other properties count as shown

TARGETS = (
    "x", "y", "size", "opacity", "cos angle", "sin angle", "cos hue", "sin hue", "pair", "distance",
    "distance cos axis", "distance sin axis",
)  # fmt: skip
"""What a still is labelled with, each between -1 and 1. A pair has an axis but no direction along it, so the last two
take the angle twice; for a single thing the last three are those of two things in one place."""


class Stills(NamedTuple):
    """M pictures and what is in them."""

    images: np.ndarray  # (M, H, H, 3) uint8
    targets: np.ndarray  # (M, len(TARGETS)) float32
    shape: np.ndarray  # (M,) index into shapes.SHAPES
    visible: np.ndarray  # (M,) bool: where not, only the opacity is worth asking for


def draw_stills(generator: np.random.Generator, count: int, image_size: int) -> Stills:
    """Stills of random contents: one bright thing, or in a third of them two, over a texture and grey distractors."""
    subject = _draw_subject(generator, count)
    images = shapes.textures(generator, count, image_size)
    for _ in range(2):
        images = shapes.paint(images, shapes.distractors(generator, count))
    images = shapes.to_uint8(shapes.paint_subject(images, subject))
    return Stills(images, describe(subject), subject.shape, subject.opacity >= VISIBLE)


def describe(subject: Subject) -> np.ndarray:
    """The targets of M subjects: (M, len(TARGETS)) float32."""
    distance = subject.apart / FARTHEST
    columns = (
        2 * subject.x - 1,
        2 * subject.y - 1,
        (2 * subject.size - LARGEST - SMALLEST) / (LARGEST - SMALLEST),
        2 * subject.opacity - 1,
        np.cos(subject.angle),
        np.sin(subject.angle),
        np.cos(subject.hue),
        np.sin(subject.hue),
        np.where(subject.apart > 0, 1.0, -1.0),
        2 * distance - 1,
        distance * np.cos(2 * subject.axis),
        distance * np.sin(2 * subject.axis),
    )
    return np.stack(columns, 1).astype(np.float32)


def _draw_subject(generator: np.random.Generator, count: int) -> Subject:
    pair = generator.random(count) < 1 / 3
    size = generator.uniform(SMALLEST, np.where(pair, LARGEST_OF_PAIR, LARGEST))
    apart = pair * generator.uniform(CLOSEST, FARTHEST, count)
    room = np.maximum(0.5 - 0.75 * size - apart, 0.05)  # how far the middle may be from that of the picture
    faint = generator.random(count) < 0.5
    return Subject(
        shape=generator.integers(len(shapes.SHAPES), size=count),
        x=0.5 + room * generator.uniform(-1, 1, count),
        y=0.5 + room * generator.uniform(-1, 1, count),
        size=size,
        angle=generator.uniform(0, 2 * np.pi, count),
        opacity=np.where(faint, generator.uniform(0, 1, count), 1.0),
        hue=generator.uniform(0, 2 * np.pi, count),
        value=generator.uniform(0.8, 1, count),
        apart=apart,
        axis=generator.uniform(0, np.pi, count),
    )
