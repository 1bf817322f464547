"""A folder of numbered images, read like a video file."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType

import numpy as np
from PIL import Image, UnidentifiedImageError

from video_adapters.data.decode import DecodeError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
FORMATS = (
    "JPEG",
    "PNG",
    "WEBP",
    "BMP",
)  # whatever a name says: others, as PostScript, are programs that Pillow would run


class FrameFolder:
    """Frames as images whose names end in their numbers: `img_00001.jpg`, `img_00002.jpg`, ...

    Args:
        path: the folder.

    Attributes:
        num_frames: number of images.
        quality: always empty; an image is whole or unreadable.
        times: None: images do not say when they are shown.

    Raises:
        DecodeError: the folder holds no numbered image, or a number is missing between two others.
    """

    quality: tuple[str, ...] = ()
    times: None = None

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            names = sorted(os.listdir(path))
        except OSError as error:
            raise DecodeError(path, f"cannot be listed: {error.strerror}") from error
        images = [name for name in names if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith(".")]
        self._files = self._by_number(images)
        self.num_frames = len(self._files)

    def __enter__(self) -> "FrameFolder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """The frames at `indices`, in that order -> (len(indices), H, W, 3) RGB.

        Raises:
            DecodeError: an image cannot be read, or has another size than the others.
            ValueError: an index is not in [0, num_frames).
        """
        frames = dict(self.stream(indices))
        return np.stack([frames[index] for index in indices])

    def stream(self, indices: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
        """The frames at `indices` with their indices, rising, one by one: for more of them than memory holds.

        Raises:
            DecodeError: an image cannot be read, or has another size than the first.
            ValueError: an index is not in [0, num_frames).
        """
        wanted = sorted(set(indices))
        if not wanted or wanted[0] < 0 or wanted[-1] >= self.num_frames:
            raise ValueError(f"{self.path}: frames {wanted} asked for, there are 0 to {self.num_frames - 1}")
        size: tuple[int, ...] | None = None
        for index in wanted:
            picture = self._picture(self._files[index])
            if picture.shape != (size := size or picture.shape):
                raise DecodeError(
                    self.path, f"the frame size changes on the way: {sorted([size[:2], picture.shape[:2]])}"
                )
            yield index, picture

    def _by_number(self, images: Sequence[str]) -> list[str]:
        numbered = {}
        for name in images:
            digits = re.search(r"(\d+)$", os.path.splitext(name)[0])
            if digits is None or int(digits[1]) in numbered:
                raise DecodeError(self.path, f"the image {name} has no number of its own at the end of its name")
            numbered[int(digits[1])] = name
        if not numbered:
            raise DecodeError(self.path, "is a folder without images")
        first, last = min(numbered), max(numbered)
        if lost := [number for number in range(first, last) if number not in numbered]:
            raise DecodeError(self.path, f"lacks {len(lost)} of the frames {first} to {last}, such as {lost[0]}")
        return [numbered[number] for number in range(first, last + 1)]

    def _picture(self, name: str) -> np.ndarray:
        try:
            with Image.open(os.path.join(self.path, name), formats=FORMATS) as image:
                return np.asarray(image.convert("RGB"))
        except (OSError, UnidentifiedImageError, ValueError, SyntaxError) as error:
            raise DecodeError(self.path, f"{name} cannot be read as an image: {error}") from error
