"""Six motions of a shape, each drawn at random from its law, and the frames of a video that shows it."""

import numpy as np

from video_adapters.data.shapes import drawing as shapes
from video_adapters.data.shapes.drawing import Subject

LENGTH = 17  # frames: the middles of 8 (or 4, 16) segments are then the same set forwards and backwards


def _from_to(generator: np.random.Generator, start: float, end: float) -> np.ndarray:
    """A way from start to end in LENGTH frames, at an even or a slowly changing speed."""
    bend = np.exp(generator.uniform(-0.4, 0.4))
    return start + (end - start) * np.linspace(0, 1, LENGTH) ** bend


def _at_rest(generator: np.random.Generator, smallest: float, largest: float, room: float | None = None) -> Subject:
    """A subject that does nothing; its middle is at most `room` away from that of the picture."""
    size = generator.uniform(smallest, largest)
    room = 0.5 - 0.75 * size if room is None else room
    values = {
        "shape": generator.integers(len(shapes.SHAPES)),
        "x": 0.5 + room * generator.uniform(-1, 1),
        "y": 0.5 + room * generator.uniform(-1, 1),
        "size": size,
        "angle": generator.uniform(0, 2 * np.pi),
        "opacity": generator.uniform(0.7, 1),
        "hue": generator.uniform(0, 2 * np.pi),
        "value": generator.uniform(0.8, 1),
        "apart": 0.0,
        "axis": generator.uniform(0, np.pi),
    }
    return Subject(**{name: np.full(LENGTH, value) for name, value in values.items()})


def _path(generator: np.random.Generator, size: float) -> np.ndarray:
    """A coordinate that grows, the thing staying inside the picture."""
    travel, margin = generator.uniform(0.4, 0.65), 0.75 * size
    start = generator.uniform(margin, 1 - margin - travel)
    return _from_to(generator, start, start + travel)


def _move_right(generator: np.random.Generator) -> Subject:
    subject = _at_rest(generator, 0.1, 0.2)
    return subject._replace(x=_path(generator, subject.size[0]))


def _move_down(generator: np.random.Generator) -> Subject:
    subject = _at_rest(generator, 0.1, 0.2)
    return subject._replace(y=_path(generator, subject.size[0]))


def _grow(generator: np.random.Generator) -> Subject:
    start = generator.uniform(0.09, 0.11)
    size = _from_to(generator, start, start * generator.uniform(2, 2.5))
    return _at_rest(generator, start, start, room=0.5 - 0.75 * size[-1])._replace(size=size)


def _turn(generator: np.random.Generator) -> Subject:
    """Less than half a turn, and every shape needs a full one to look like itself: the direction is never in doubt.

    Halfway it points up, more or less: from just anywhere, a few minutes of training on the CPU would not suffice.
    """
    middle, turn = np.deg2rad(generator.uniform(-150, -30)), np.deg2rad(generator.uniform(90, 160))
    angle = _from_to(generator, middle - turn / 2, middle + turn / 2)
    return _at_rest(generator, 0.14, 0.26)._replace(angle=angle)


def _approach(generator: np.random.Generator) -> Subject:
    near = generator.uniform(0.09, 0.13)
    apart = _from_to(generator, near + generator.uniform(0.16, 0.22), near)
    return _at_rest(generator, 0.09, 0.13, room=0.4 - apart[0])._replace(apart=apart)


def _appear(generator: np.random.Generator) -> Subject:
    opacity = _from_to(generator, generator.uniform(0, 0.2), generator.uniform(0.8, 1))
    return _at_rest(generator, 0.1, 0.26)._replace(opacity=opacity)


MOTIONS = (_move_right, _move_down, _grow, _turn, _approach, _appear)
"""Motion p is class 2 p of `moving_shapes` forwards and class 2 p + 1 backwards."""


def draw_video(
    generator: np.random.Generator, motion: int, image_size: int, noisy: bool = False, crowd: int = 0
) -> np.ndarray:
    """One video of MOTIONS[motion], forwards: (LENGTH, image_size, image_size, 3) uint8.

    In a crowd the thing that moves so is red; behind it, so many others are blue and move by motions of their own.
    """
    frames = _still(generator, image_size)
    subject = MOTIONS[motion](generator)
    for _ in range(crowd):
        frames = shapes.paint_subject(frames, _of_hue(generator, BLUE, _any_motion(generator)))
    frames = shapes.paint_subject(frames, _of_hue(generator, RED, subject) if crowd else subject)
    return shapes.to_uint8(_as_filmed(generator, frames) if noisy else frames)


def draw_pair(generator: np.random.Generator, labels: tuple[int, int], image_size: int) -> np.ndarray:
    """One video of a red and a blue shape that move by two classes of `moving_shapes`, either by either, forwards or
    backwards each: (LENGTH, image_size, image_size, 3) uint8."""
    frames = _still(generator, image_size)
    for hue, label in zip(generator.permutation((RED, BLUE)), generator.permutation(labels), strict=True):
        subject = _played(MOTIONS[label // 2](generator), -1 if label % 2 else 1)
        frames = shapes.paint_subject(frames, _of_hue(generator, hue, subject))
    return shapes.to_uint8(frames)


def _still(generator: np.random.Generator, image_size: int) -> np.ndarray:
    """The frames of a video before anything moves in it: (LENGTH, image_size, image_size, 3) float."""
    background = shapes.textures(generator, 1, image_size)
    for _ in range(2):
        background = shapes.paint(background, shapes.distractors(generator, 1))
    return np.repeat(background, LENGTH, 0)


RED, BLUE = 0.0, 4 / 3 * np.pi
"""Hues, in radians."""


def _any_motion(generator: np.random.Generator) -> Subject:
    """One of MOTIONS, forwards or backwards: its law is the same in reverse."""
    subject = MOTIONS[generator.integers(len(MOTIONS))](generator)
    return _played(subject, int(generator.choice((1, -1))))


def _played(subject: Subject, way: int) -> Subject:
    """The same forwards (1) or backwards (-1)."""
    return Subject(*(values[::way] for values in subject))


def _of_hue(generator: np.random.Generator, hue: float, subject: Subject) -> Subject:
    """The same in a shade of that hue, at most 0.2 radians away from it."""
    return subject._replace(hue=np.full(LENGTH, hue + generator.uniform(-0.2, 0.2)))


def _as_filmed(generator: np.random.Generator, frames: np.ndarray) -> np.ndarray:
    """Frames as a hand-held camera in a dim room takes them: (T, H, W, 3) float -> the same, new.

    The hand wanders by up to 2 of 40 pixels, the exposure flickers by 8 %, pixels have a noise of 15 grey levels. All
    of it has the same law forwards and backwards.
    """
    reach = round(frames.shape[1] / 20)
    wide = np.pad(frames, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="edge")
    turns = generator.uniform(0, 2 * np.pi, (2, 2, 1)) + generator.uniform(-0.6, 0.6, (2, 2, 1)) * np.arange(LENGTH)
    down, right = np.rint(reach * (1 + np.cos(turns).mean(0))).astype(int)
    size = frames.shape[1]
    shaken = np.stack([f[y : y + size, x : x + size] for f, y, x in zip(wide, down, right, strict=True)])
    exposed = shaken * (1 + 0.08 * generator.standard_normal((LENGTH, 1, 1, 1)))
    return exposed + 0.06 * generator.standard_normal(frames.shape)
