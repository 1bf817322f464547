"""Turning and mirroring of stored pictures, so that they stand as players show them."""

import math
from typing import NamedTuple

import av
import numpy as np
from av.sidedata.sidedata import Type


class Orientation(NamedTuple):
    """One of the eight ways in which a picture can be stored."""

    mirrored: bool = False  # left and right, before it is turned
    turns: int = 0  # quarter turns counter-clockwise, 0 to 3

    @property
    def degrees(self) -> int:
        """Counter-clockwise, -90 to 180."""
        return (self.turns + 1) % 4 * 90 - 90

    def upright(self, picture: np.ndarray) -> np.ndarray:
        """A view of a stored picture, (H, W, 3) -> (H, W, 3) or, by an odd number of quarter turns, (W, H, 3)."""
        return np.rot90(picture[:, ::-1] if self.mirrored else picture, self.turns)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height upright."""
        return (height, width) if self.turns % 2 else (width, height)


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """What the file's display matrix, if any, says; of other angles the quarter turn that is nearest."""
    try:
        data = frame.side_data.get(Type.DISPLAYMATRIX)
    except ValueError:  # side data of a kind that PyAV has no name for; the angle can still be asked for
        return Orientation(turns=round(frame.rotation / 90) % 4)
    return Orientation() if data is None else _from_matrix(np.frombuffer(data, np.int32, 9))


def _from_matrix(matrix: np.ndarray) -> Orientation:
    """From (a, b, u, c, d, v, x, y, w), which sends (x, y) to (ax + cy, bx + dy), y pointing down (ISO 14496-12)."""
    a, b, c, d = (float(matrix[entry]) for entry in (0, 1, 3, 4))
    mirrored = a * d - b * c < 0
    across, down = (-a, -b) if mirrored else (a, b)  # where the first row points, once it is mirrored
    return Orientation(mirrored, round(-2 * math.atan2(down, across) / math.pi) % 4)
