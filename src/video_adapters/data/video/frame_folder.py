"""A folder of numbered images, read like a video file."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import pairwise

import numpy as np

from video_adapters.data.video.frame_source import DecodeError, FrameSource, resizing
from video_adapters.data.video.picture import IMAGE_SUFFIXES, read_picture, size_of_picture


class FrameFolder(FrameSource):
    """Frames as images whose names end in their numbers: `img_00001.jpg`, `img_00002.jpg`, ...

    Frames of another size than the first are resized to it, as a tracker's crops have to be; `strict` refuses them, and
    images that are no frames.

    Raises:
        DecodeError: the folder holds no numbered image, or a number is missing between two others.
    """

    times = None  # images do not say when they are shown

    def __init__(self, path: str, strict: bool = False) -> None:
        super().__init__(path, strict)
        try:
            names = sorted(os.listdir(path))
            images = [name for name in names if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith(".")]
            self._files, self._others = _in_order(images)
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


def _in_order(images: Sequence[str]) -> tuple[list[str], list[str]]:
    """The frames in the order of their numbers, and the images that are none, such as a cover. Numbers may go by a
    step, as where every fifth frame was saved; of two images nobody can know that.
    """
    series, others = _series(images)
    numbered: dict[int, str] = {}
    for name in series:
        number = _prefix_and_number(name)[1]
        if number in numbered:
            raise ValueError(f"the images {numbered[number]} and {name} have the same number")
        numbered[number] = name
    if not numbered:
        raise ValueError(f"holds no image whose name ends in a number, but {others[0]}" if others else "holds no image")
    numbers = sorted(numbered)
    _check_steps(numbers)
    return [numbered[number] for number in numbers], others


def _series(images: Sequence[str]) -> tuple[list[str], list[str]]:
    """Numbered images and others. An image with a prefix of its own is another where all the rest share one."""
    by_prefix: dict[str, list[str]] = {}
    others: list[str] = []
    for name in images:
        prefix, number = _prefix_and_number(name)
        (by_prefix.setdefault(prefix, []) if number >= 0 else others).append(name)
    long = [names for names in by_prefix.values() if len(names) > 1]
    if len(long) == 1:
        return long[0], [name for name in images if name not in set(long[0])]
    return [name for names in by_prefix.values() for name in names], others


def _prefix_and_number(name: str) -> tuple[str, int]:
    """img_00012.jpg -> img_, 12; and -1 without a number."""
    stem = os.path.splitext(name)[0]
    digits = re.search(r"[0-9]+$", stem)
    return (stem, -1) if digits is None else (stem[: digits.start()], int(digits[0]))


def _check_steps(numbers: Sequence[int]) -> None:
    gaps = [after - before for before, after in pairwise(numbers)]
    step = min(gaps) if len(gaps) > 1 else 1
    for number, gap in zip(numbers[:-1], gaps, strict=True):
        if gap % step:
            raise ValueError(f"numbers its images by steps of {step}, but {number} is followed by {number + gap}")
        if gap != step:
            lost = (numbers[-1] - numbers[0]) // step - len(gaps)
            by = f" by steps of {step}" if step > 1 else ""
            raise ValueError(f"lacks {lost} of the frames {numbers[0]} to {numbers[-1]}{by}, such as {number + step}")
