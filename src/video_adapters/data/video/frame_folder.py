"""A folder of numbered images, read like a video file."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from types import TracebackType

import numpy as np

from video_adapters.data.video.decode import DecodeError, resizing
from video_adapters.data.video.frame_names import in_order
from video_adapters.data.video.picture import IMAGE_SUFFIXES, read_picture, resized, size_of_picture


class FrameFolder:
    """Frames as images whose names end in their numbers: `img_00001.jpg`, `img_00002.jpg`, ...

    Frames of another size than the first are resized to it, as a tracker's crops have to be.

    Args:
        path: the folder.
        strict: refuses frames of changing size, and images that are no frames.

    Attributes:
        num_frames: number of images.
        num_resized: how many of those read had another size than the first.
        times: None: images do not say when they are shown.

    Raises:
        DecodeError: the folder holds no numbered image, or a number is missing between two others.
    """

    times: None = None

    def __init__(self, path: str, strict: bool = False) -> None:
        self.path = path
        self.strict = strict
        self.num_resized = 0
        try:
            names = sorted(os.listdir(path))
            images = [name for name in names if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith(".")]
            self._files, self._others = in_order(images)
        except OSError as error:
            raise DecodeError(path, f"cannot be listed: {error.strerror}") from error
        except ValueError as error:
            raise DecodeError(path, f"is a folder that {error}") from error
        if strict and self._others:
            raise DecodeError(path, f"the image {self._others[0]} has no number of its own at the end of its name")
        self.num_frames = len(self._files)

    def __enter__(self) -> "FrameFolder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    @property
    def quality(self) -> tuple[str, ...]:
        """What is odd about the folder; complete after `read`."""
        more = f" and {len(self._others) - 1} more" if len(self._others) > 1 else ""
        others = (f"left out as no frames: {self._others[0]}{more}",) if self._others else ()
        return (*others, *(resizing(self.num_resized, self._size) if self.num_resized else ()))

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """The frames at `indices`, in that order -> (len(indices), H, W, 3) RGB.

        Raises:
            DecodeError: an image cannot be read; strict: or has another size than the first.
            ValueError: an index is not in [0, num_frames).
        """
        frames = dict(self.stream(indices))
        return np.stack([frames[index] for index in indices])

    def stream(self, indices: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
        """The frames at `indices` with their indices, rising, one by one: for more of them than memory holds.

        Raises:
            DecodeError: as `read`.
            ValueError: an index is not in [0, num_frames).
        """
        wanted = sorted({int(index) for index in indices})
        if not wanted or wanted[0] < 0 or wanted[-1] >= self.num_frames:
            raise ValueError(f"{self.path}: frames {wanted} asked for, there are 0 to {self.num_frames - 1}")
        for index in wanted:
            yield index, self._fitted(self._picture(self._files[index]))

    def _fitted(self, picture: np.ndarray) -> np.ndarray:
        """The picture in the first frame's size."""
        if picture.shape[:2] == self._size:
            return picture
        if self.strict:
            raise DecodeError(
                self.path, f"the frame size changes on the way: {sorted([self._size, picture.shape[:2]])}"
            )
        self.num_resized += 1
        return resized(picture, *self._size)

    @cached_property
    def _size(self) -> tuple[int, int]:
        with self._naming(self._files[0]):
            return size_of_picture(os.path.join(self.path, self._files[0]))

    def _picture(self, name: str) -> np.ndarray:
        with self._naming(name):
            return read_picture(os.path.join(self.path, name))

    @contextmanager
    def _naming(self, name: str) -> Iterator[None]:
        """Says which image cannot be read."""
        try:
            yield
        except Exception as error:  # Pillow's plugins have no end of kinds for damaged files, MemoryError among them
            raise DecodeError(
                self.path, f"{name} cannot be read as an image: {str(error) or type(error).__name__}"
            ) from error
