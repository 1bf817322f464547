"""A folder of numbered images, read like a video file."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property

import numpy as np

from video_adapters.data.video.frame_names import in_order
from video_adapters.data.video.frame_source import DecodeError, FrameSource, resizing
from video_adapters.data.video.picture import IMAGE_SUFFIXES, read_picture, size_of_picture


class FrameFolder(FrameSource):
    """Frames as images whose names end in their numbers: `img_00001.jpg`, `img_00002.jpg`, ...

    Frames of another size than the first are resized to it, as a tracker's crops have to be.

    Args:
        path: the folder.
        strict: refuses frames of changing size, and images that are no frames.

    Raises:
        DecodeError: the folder holds no numbered image, or a number is missing between two others.
    """

    times = None  # images do not say when they are shown

    def __init__(self, path: str, strict: bool = False) -> None:
        super().__init__(path, strict)
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

    @property
    def quality(self) -> tuple[str, ...]:
        more = f" and {len(self._others) - 1} more" if len(self._others) > 1 else ""
        others = (f"left out as no frames: {self._others[0]}{more}",) if self._others else ()
        return (*others, *(resizing(self.num_resized, self._size) if self.num_resized else ()))

    def read(self, indices: Sequence[int]) -> np.ndarray:
        frames = dict(self.stream(indices))
        return np.stack([frames[index] for index in indices])

    def stream(self, indices: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
        for index in self._rising(indices).tolist():
            picture = self._picture(self._files[index])
            yield index, self._fitted(picture, self._size, {picture.shape[:2]})

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
