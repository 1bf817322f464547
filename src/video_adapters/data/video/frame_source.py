"""An open video, whatever its frames are stored as, and the one error of those that cannot be read."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from video_adapters.commands.wording import counted
from video_adapters.data.video.picture import resized

Source = TypeVar("Source", bound="FrameSource")


class DecodeError(ValueError):
    """A video that cannot be read, for whatever reason."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)  # both in args, so that the error survives the way out of a worker
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class FrameSource(ABC):
    """Frames that are read by their numbers; to be used in a `with`, and never kept across a fork.

    Args:
        path: the file or folder.
        strict: refuses frames of changing size; else they are resized to the first one's.

    Attributes:
        num_frames: how many there are.
        num_resized: how many of those read had another size than the first.
    """

    num_frames: int

    def __init__(self, path: str, strict: bool = False) -> None:
        self.path = path
        self.strict = strict
        self.num_resized = 0

    def __enter__(self: Source) -> Source:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027  (a folder has nothing to close)
        """Lets go of what was opened."""

    @property
    @abstractmethod
    def quality(self) -> tuple[str, ...]:
        """What is odd about a video that was read all the same; complete after `read`."""

    @property
    @abstractmethod
    def times(self) -> np.ndarray | None:
        """When each frame is shown: (num_frames,) float64, seconds since the first one, rising; None for images.

        Raises:
            DecodeError: the file does not say.
        """

    @abstractmethod
    def read(self, indices: Sequence[int]) -> np.ndarray:
        """The frames at `indices`, in that order, upright -> (len(indices), H, W, 3) RGB.

        Raises:
            DecodeError: one of the frames cannot be had; strict: or has another size than the first.
            ValueError: an index is not in [0, num_frames).
        """

    @abstractmethod
    def stream(self, indices: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
        """The frames at `indices` with their indices, rising, one by one: for more of them than memory holds.

        Yields: index and upright picture, (H, W, 3) RGB, the same as from `read`, and raises as it does.
        """

    def _rising(self, indices: Iterable[int]) -> np.ndarray:
        """The indices, each once, in order, (n,) int64."""
        wanted = np.unique(np.fromiter(indices, np.int64))
        if not len(wanted) or wanted[0] < 0 or wanted[-1] >= self.num_frames:
            raise ValueError(f"{self.path}: frames {wanted.tolist()} asked for, there are 0 to {self.num_frames - 1}")
        return wanted

    def _fitted(self, picture: np.ndarray, size: tuple[int, int], sizes: Iterable[tuple[int, ...]]) -> np.ndarray:
        """The picture in the size of the first, where `sizes` occur."""
        if picture.shape[:2] == size:
            return picture
        if self.strict:
            raise DecodeError(self.path, f"the frame size changes on the way: {sorted({size, *sizes})}")
        self.num_resized += 1
        return resized(picture, *size)


def resizing(count: int, size: tuple[int, int]) -> tuple[str]:
    """The remark that frames did not have the first one's height and width."""
    return (f"{counted(count, 'frame')} of another size than the first, resized to its {size[1]}x{size[0]}",)
