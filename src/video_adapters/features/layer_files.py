"""Files of one block's features: their values, and which rows are there."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from video_adapters.features.half_tokens import packed, unpacked
from video_adapters.features.row_files import PRESENT, UNREADABLE, RowArray, RowStates


class LayerFiles:
    """(V, P, T, D) of each row in fp32 or, of all tokens, (V, T, N, D) in half the memory.

    Args:
        folder: of its own.
        shape: of a row.
        halves: whether these are all tokens.
    """

    def __init__(self, folder: Path, shape: Sequence[int], halves: bool) -> None:
        self.folder, self.shape = folder, tuple(shape)
        self.states = RowStates(folder / "states")
        self.values = RowArray(folder, "values", shape, np.float16 if halves else np.float32)
        self.moments = RowArray(folder, "moments", (shape[0], 2, shape[-1]), np.float32) if halves else None

    @property
    def arrays(self) -> list[RowArray]:
        return [self.values, *([self.moments] if self.moments else [])]

    @property
    def row_bytes(self) -> int:
        return sum(array.row_bytes for array in self.arrays)

    def grow(self, rows: int) -> None:
        """Makes room for so many rows. The store's lock is to be held."""
        self.folder.mkdir(exist_ok=True)
        for array in self.arrays:
            array.grow(rows)
        self.states.grow(rows)

    def write(self, rows: Sequence[int], values: np.ndarray, states: Sequence[int]) -> None:
        """Writes rows, values (n, *shape), and says that they are there once they are on disk."""
        touched = set()
        for row, value, state in zip(rows, values, states, strict=True):
            if state == UNREADABLE:
                continue
            parts = [value] if self.moments is None else packed(value)
            touched |= {(array, array.write(row, part)) for array, part in zip(self.arrays, parts, strict=True)}
        for array, number in touched:
            array.flush(number)
        self.states.write(rows, states)

    def read(self, row: int) -> np.ndarray:
        """A row's values, float32 of `shape`; zeros where there are none."""
        values = self.values.read(row)
        return values if self.moments is None else unpacked(values, self.moments.read(row))


def is_there(states: np.ndarray) -> np.ndarray:
    """Whether rows have values: states -> bool, of the same shape."""
    return (states >= PRESENT) & (states != UNREADABLE)
