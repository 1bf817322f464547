"""Videos that are in memory already, as arrays or as lists of pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

Video = str | Path | np.ndarray | Tensor | Sequence[Any]
"""A file, a folder of frames, an array (T, H, W, 3) uint8, or a list of T pictures: PIL images, arrays (H, W, 3)."""

EXPECTED = "expected RGB frames as uint8, (T, H, W, 3), or a list of them, as PIL images or (H, W, 3)"


class Frames:
    """Frames in memory, (T, H, W, 3) uint8 RGB, to be read as those of a file are."""

    quality: tuple[str, ...] = ()

    def __init__(self, pictures: np.ndarray) -> None:
        self._pictures = pictures
        self.num_frames = len(pictures)

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """The frames at `indices` -> (len(indices), H, W, 3)."""
        return self._pictures[list(indices)]


def is_batch(video: Any) -> bool:
    """Whether a list or tuple holds several videos, and not the pictures of one."""
    if not isinstance(video, list | tuple):
        return False
    return all(isinstance(one, str | Path | list | tuple) or getattr(one, "ndim", 0) == 4 for one in video)


def frames_of(video: Any) -> Frames:
    """The frames of a video that is no file; a ValueError for other types and shapes."""
    if isinstance(video, list | tuple):
        pictures = [np.asarray(one.convert("RGB") if isinstance(one, Image.Image) else one) for one in video]
        if len({picture.shape for picture in pictures}) > 1:
            raise ValueError(f"frames of a video differ in size: {sorted({p.shape for p in pictures})}; {EXPECTED}")
        array = np.stack(pictures)
    elif isinstance(video, np.ndarray | Tensor):
        array = video.detach().cpu().numpy() if isinstance(video, Tensor) else video
    else:
        raise ValueError(f"a video was given as {type(video).__name__}; {EXPECTED}, or the path of a file or folder")
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[-1] != 3 or not array.size:
        raise ValueError(f"a video was given as {array.dtype} of shape {array.shape}; {EXPECTED}")
    return Frames(array)
