"""Draw anti-aliased shapes on textured backgrounds: the pictures of `motions.py` and `stills.py`.

A thing is dark at its back and bright at its front, so that even a few pixels of it show which way it faces.

Positions and sizes are in image sides: (0, 0) is the top left corner, (1, 1) the bottom right one, and the radius 0.25
spans half the image. Angles are in radians and grow clockwise on the screen, since y points down.
"""

from typing import NamedTuple

import numpy as np

Array = np.ndarray


def _disc(x: Array, y: Array) -> Array:
    return np.hypot(x, y)


def _box(x: Array, y: Array, centre_x: float, half_x: float, half_y: float) -> Array:
    return np.maximum(np.abs(x - centre_x) - half_x, np.abs(y) - half_y)


def _dart(x: Array, y: Array) -> Array:
    """A pointed triangle, its tip at (1, 0)."""
    return np.maximum(-x - 0.7, (0.45 * x + np.abs(y) - 0.45) / 1.1)


def _half_disc(x: Array, y: Array) -> Array:
    return np.maximum(_disc(x + 0.4, y) - 1, -x - 0.4)


def _crescent(x: Array, y: Array) -> Array:
    return np.maximum(_disc(x, y) - 1, 0.75 - _disc(x - 0.55, y))


def _corner(x: Array, y: Array) -> Array:
    """Two equal arms at a right angle, opening towards +x."""
    u, v = (x + y) * np.sqrt(0.5) + 0.35, (x - y) * np.sqrt(0.5) + 0.35
    return np.minimum(_box(u, v, 0.45, 0.75, 0.3), _box(v, u, 0.45, 0.75, 0.3))


def _hammer(x: Array, y: Array) -> Array:
    return np.minimum(_box(x, y, 0.55, 0.35, 0.8), _box(x, y, -0.3, 0.7, 0.25))


def _drop(x: Array, y: Array) -> Array:
    """A round end at the left that runs into a tip at (1.1, 0)."""
    tip = np.maximum(np.abs(y) * 0.9 + 0.44 * (x - 1.1), -x - 0.1)
    return np.minimum(_disc(x + 0.35, y) - 0.65, tip)


SHAPES = (_dart, _half_disc, _crescent, _corner, _hammer, _drop)
"""Outlines of about unit radius that face +x: below 0 inside, about the distance to the outline near it.

None looks like itself before a full turn, so an angle is an angle.
"""


class Things(NamedTuple):
    """One thing in each of M images."""

    shape: Array  # (M,) index into SHAPES
    x: Array  # (M,) centre, image sides
    y: Array  # (M,)
    size: Array  # (M,) radius, image sides
    angle: Array  # (M,) radians, clockwise
    opacity: Array  # (M,) 0 (absent) to 1
    colour: Array  # (M, 3) rgb, 0 to 1


def _cover_and_shade(things: Things, image_size: int) -> tuple[Array, Array]:
    """Share of each pixel inside the outline, and its brightness, 0.15 at the back to 1 at the front.

    (M,) things -> twice (M, image_size, image_size), 0 to 1.
    """
    pixel = (np.arange(image_size, dtype=np.float32) + 0.5) / image_size
    columns = (things.x, things.y, things.size, things.angle)
    x, y, size, angle = (np.asarray(column, np.float32)[:, None, None] for column in columns)
    right, down = (pixel[None, None, :] - x) / size, (pixel[None, :, None] - y) / size
    along = right * np.cos(angle) + down * np.sin(angle)
    across = down * np.cos(angle) - right * np.sin(angle)
    distance = np.empty(along.shape, np.float32)
    for index, outline in enumerate(SHAPES):
        chosen = things.shape == index
        if chosen.any():
            distance[chosen] = outline(along[chosen], across[chosen])
    return np.clip(0.5 - distance * (size * image_size), 0, 1), np.clip(0.6 + 0.6 * along, 0.15, 1)


def paint(images: Array, things: Things) -> Array:
    """Lay one thing over each image: (M, H, H, 3) float, 0 to 1 -> the same, new."""
    cover, shade = _cover_and_shade(things, images.shape[1])
    cover = cover * np.asarray(things.opacity, np.float32)[:, None, None]
    colour = np.asarray(things.colour, np.float32)[:, None, None, :]
    return images + cover[..., None] * (shade[..., None] * colour - images)


class Subject(NamedTuple):
    """What each of M pictures is about: one bright thing, or two alike where `apart` is above 0."""

    shape: Array  # (M,) index into SHAPES
    x: Array  # (M,) centre of the thing, or the middle of the two
    y: Array  # (M,)
    size: Array  # (M,) radius, image sides
    angle: Array  # (M,) radians, clockwise
    opacity: Array  # (M,) 0 to 1
    hue: Array  # (M,) radians
    value: Array  # (M,) brightness of the brightest channel
    apart: Array  # (M,) distance from the middle to each of the two, image sides
    axis: Array  # (M,) direction of the line through the two, radians


def paint_subject(images: Array, subject: Subject) -> Array:
    """(M, H, H, 3) float -> the same, new, with the one or two things of each subject on top."""
    colour = bright_colour(subject.hue, subject.value)
    for side in (1, -1):
        shown = subject.opacity if side == 1 else subject.opacity * (subject.apart > 0)
        if not shown.any():
            continue
        x = subject.x + side * subject.apart * np.cos(subject.axis)
        y = subject.y + side * subject.apart * np.sin(subject.axis)
        images = paint(images, Things(subject.shape, x, y, subject.size, subject.angle, shown, colour))
    return images


def to_uint8(images: Array) -> Array:
    return np.clip(np.rint(images * 255), 0, 255).astype(np.uint8)


def textures(generator: np.random.Generator, count: int, image_size: int) -> Array:
    """Faintly coloured waves, (count, image_size, image_size, 3) from about 0.1 to 0.9."""
    waves = 3
    pixel = (np.arange(image_size, dtype=np.float32) + 0.5) / image_size
    frequency = generator.uniform(-4, 4, (2, count, waves, 1)).astype(np.float32) * 2 * np.pi
    phase = generator.uniform(0, 2 * np.pi, (count, waves, 1)).astype(np.float32)
    height = generator.uniform(0, 0.08, (count, waves, 1)).astype(np.float32)
    # cos(a + b) in its two products: the waves cost (H + H) cosines each, not H * H
    a, b = frequency[0] * pixel + phase, frequency[1] * pixel
    rows, columns = np.concatenate([np.cos(b), -np.sin(b)], 1), np.concatenate([np.cos(a), np.sin(a)], 1)
    grey = np.einsum("mwi,mwj->mij", rows * np.concatenate([height, height], 1), columns)
    tint = generator.uniform(-0.06, 0.06, (count, 1, 1, 3)) + generator.uniform(0.35, 0.65, (count, 1, 1, 1))
    return (grey[..., None] + tint).astype(np.float32)


def bright_colour(hue: Array, value: Array) -> Array:
    """The fully saturated colours of things that matter, (M,) and (M,) -> (M, 3)."""
    wheel = np.clip(0.5 + np.cos(hue[:, None] - np.array([0, 2, 4]) * np.pi / 3), 0, 1)
    wheel -= wheel.min(1, keepdims=True)
    return wheel / wheel.max(1, keepdims=True) * value[:, None]


def distractors(generator: np.random.Generator, count: int) -> Things:
    """Grey things that do not matter, one in each of `count` images, absent from four in ten."""
    grey = np.where(generator.random(count) < 0.5, generator.uniform(0, 0.15, count), generator.uniform(0.85, 1, count))
    return Things(
        shape=generator.integers(len(SHAPES), size=count),
        x=generator.uniform(0.05, 0.95, count),
        y=generator.uniform(0.05, 0.95, count),
        size=generator.uniform(0.06, 0.14, count),
        angle=generator.uniform(0, 2 * np.pi, count),
        opacity=generator.uniform(0.6, 1, count) * (generator.random(count) < 0.6),
        colour=np.repeat(grey[:, None], 3, 1),
    )
