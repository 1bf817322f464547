"""Arrays of a row for each clip, in files of fixed ranges of rows; and a byte per row: whether it is there."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from video_adapters.commands.atomic import replacing

FILE_BYTES = 64 * 2**20  # of one file of values, about; where it changes, spec.VERSION has to
OPEN_FILES = 256  # memory-mapped at once
ABSENT, PRESENT, UNREADABLE, FLIPPED = range(4)
"""States of a row. FLIPPED: it is there, of a clip that was mirrored, which may have changed its class."""


class RowArray:
    """An array (rows, *shape) on disk. Files are sparse: rows that nobody wrote are zeros and take no room.

    Args:
        folder: of its files.
        name: what they begin with.
        shape: of a row.
        dtype: of the values.
    """

    def __init__(self, folder: Path, name: str, shape: Sequence[int], dtype: type[Any]) -> None:
        self.folder, self.name = folder, name
        self.shape, self.dtype = tuple(shape), np.dtype(dtype)
        self.row_bytes = int(np.prod(self.shape)) * self.dtype.itemsize
        self.per_file = max(1, FILE_BYTES // self.row_bytes)

    def grow(self, rows: int) -> None:
        """Makes files for so many rows, as far as they are not there. The store's lock is to be held.

        Raises:
            ValueError: one is there of another size, which it never had.
        """
        header = _header((self.per_file, *self.shape), self.dtype)
        size = len(header) + self.per_file * self.row_bytes
        for path in map(self._path, range(-(-rows // self.per_file))):
            if path.exists() and path.stat().st_size != size:
                raise ValueError(f"{path} has {path.stat().st_size} bytes instead of {size}: delete {path.parents[1]}")
            if not path.exists():
                with replacing(path) as part, part.open("wb") as file:
                    file.write(header)
                    file.truncate(size)

    def write(self, row: int, values: np.ndarray) -> int:
        """Writes a row, and returns the number of its file, for `flush`."""
        number, place = divmod(row, self.per_file)
        header = len(_header((self.per_file, *self.shape), self.dtype))
        content = np.ascontiguousarray(values, self.dtype)
        assert content.shape == self.shape
        with _named(self._path(number)) as path, path.open("r+b") as file:
            file.seek(header + place * self.row_bytes)
            file.write(content.data)
        return number

    def flush(self, number: int) -> None:
        """Waits until a file is on disk."""
        with _named(self._path(number)) as path, path.open("rb") as file:
            os.fsync(file.fileno())

    def read(self, row: int) -> np.ndarray:
        """A row, memory-mapped."""
        number, place = divmod(row, self.per_file)
        values: np.ndarray = _mapped(self._path(number))[place]
        return values

    def _path(self, number: int) -> Path:
        return self.folder / f"{self.name}_{number:05d}.npy"


class RowStates:
    """A byte per row on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def grow(self, rows: int) -> None:
        """Adds rows that are absent. The store's lock is to be held."""
        with self.path.open("ab") as file:
            if file.tell() < rows:
                file.truncate(rows)

    def read(self) -> np.ndarray:
        """(rows,) uint8, as they are now."""
        return np.fromfile(self.path, np.uint8)

    def write(self, rows: Sequence[int], states: Sequence[int]) -> None:
        with _named(self.path) as path, path.open("r+b", buffering=0) as file:
            for row, state in zip(rows, states, strict=True):
                file.seek(row)
                file.write(bytes([state]))


@contextmanager
def _named(path: Path) -> Iterator[Path]:
    """Says which file could not be written: what has failed to write knows no name."""
    try:
        yield path
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


@lru_cache(maxsize=64)
def _header(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    """What stands ahead of the values in an .npy file, which any program reads."""
    header = BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": dtype.str, "fortran_order": False, "shape": shape})
    return header.getvalue()


@lru_cache(maxsize=OPEN_FILES)
def _mapped(path: Path) -> np.ndarray:
    return np.load(path, mmap_mode="r")
