"""Frames to clips: crop, resize, flip, augment; uint8 in, uint8 out, one draw for all frames of a clip.

Clips leave in channels-last memory: nothing is then copied on the way in, and little on the way through.
Every resize is bilinear with antialiasing, torchvision's default. (The published pipelines resize by OpenCV, bilinear
without antialiasing.)
"""

import difflib
import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from video_adapters.data.clips.augment import RandAugment, as_clip, erase_box, jitter_colors
from video_adapters.data.clips.sample import check_positive

_CROP_TRIALS = 10  # as in torchvision


@dataclass(frozen=True)
class TrainTransform:
    """Random crop, flip, colour jitter, RandAugment and erasing; everything random is drawn once per clip.

    The crop is a RandomResizedCrop, cut from the frames as they are and resized once. With `resize`, the frames' short
    side is first brought to that size, or for "auto" to `before_crop` of the image size, as published (256 for 224).

    Raises:
        ValueError: a size, range or probability is impossible.
    """

    image_size: int  # side of the clip's square frames, pixels
    _: KW_ONLY
    resize: int | str | None = None  # short side before the crop, pixels; auto: see above; None: native
    area: Sequence[float] = (0.08, 1.0)  # least and largest share of the frame that the crop takes
    aspect: Sequence[float] = (3 / 4, 4 / 3)  # least and largest width / height of the crop
    flip: float = 0.0  # probability of a horizontal flip
    flip_pairs: Sequence[Sequence[str | int]] = ()  # classes that a flip turns into each other: names, or labels
    rand_augment: RandAugment | None = None
    color_jitter: float | None = None  # brightness, contrast and saturation change by up to this share
    erase: float = 0.0  # probability of erasing a box

    def __post_init__(self) -> None:
        check_positive(image_size=self.image_size, resize=self._short_side())
        for name, (low, high), most in [("area", self.area, 1.0), ("aspect", self.aspect, math.inf)]:
            if not 0 < low <= high <= most:
                raise ValueError(f"{name} is {low} to {high}, must rise within 0 (excluded) to {most}")
        for name, rate in [("flip", self.flip), ("erase", self.erase)]:
            if not 0 <= rate <= 1:
                raise ValueError(f"{name} is {rate}, must be a probability")
        if self.color_jitter is not None and not 0 <= self.color_jitter <= 1:
            raise ValueError(f"color_jitter is {self.color_jitter}, must be from 0 to 1")
        paired = [one for pair in self.flip_pairs for one in pair]
        if any(isinstance(pair, str) or len(pair) != 2 for pair in self.flip_pairs) or len({*paired}) < len(paired):
            raise ValueError(f"flip_pairs {self.flip_pairs} must be pairs of classes, each class in one of them")

    def __call__(self, frames: np.ndarray, label: int, generator: np.random.Generator) -> tuple[Tensor, int]:
        """(T, H, W, 3) -> (1, T, 3, S, S), and the label, which a flip may change."""
        clip = as_clip(frames)
        if (short_side := self._short_side()) is not None:
            clip = F.resize(clip, [short_side], antialias=True)
        top, left, height, width = self._crop(clip.shape[-2], clip.shape[-1], generator)
        clip = clip[..., top : top + height, left : left + width]
        clip = F.resize(clip, [self.image_size, self.image_size], antialias=True)
        if generator.random() < self.flip:
            clip, label = clip.flip(-1), self.flipped(label)
        if self.color_jitter is not None:
            clip = jitter_colors(clip, self.color_jitter, generator)
        if self.rand_augment is not None:
            clip = self.rand_augment(clip, generator)
        if generator.random() < self.erase:
            clip = erase_box(clip, generator)
        return _views([clip]), label

    def _short_side(self) -> int | None:
        if not isinstance(self.resize, str):
            return self.resize
        if self.resize != "auto":
            raise ValueError(f"data.train_transform.resize is '{self.resize}', expected pixels, auto or null")
        return before_crop(self.image_size)

    def _crop(self, height: int, width: int, generator: np.random.Generator) -> tuple[int, int, int, int]:
        """Top, left, height and width of a random crop: uniform in area, log-uniform in aspect (Szegedy et al. 2015).

        Where no draw fits, the largest central crop whose aspect is allowed.
        """
        (smallest, largest), (least, most) = self.area, self.aspect
        for _ in range(_CROP_TRIALS):
            area = height * width * generator.uniform(smallest, largest)
            aspect = math.exp(generator.uniform(math.log(least), math.log(most)))
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < w <= width and 0 < h <= height:
                return int(generator.integers(height - h + 1)), int(generator.integers(width - w + 1)), h, w
        w, h = min(width, round(height * most)), min(height, round(width / least))
        return (height - h) // 2, (width - w) // 2, h, w

    def flipped(self, label: int) -> int:
        """The label of a mirrored clip; classes that are named in `flip_pairs` are to be `numbered` first."""
        return next((int(b if label == a else a) for a, b in self.flip_pairs if label in (a, b)), label)

    def numbered(self, class_names: Sequence[str]) -> "TrainTransform":
        """The same transform, with labels in `flip_pairs` where there were names: which label a class has is up to the
        data set's files. Without flips there are no pairs.

        Raises:
            ValueError: for a class that there is not.
        """
        pairs = [[_label(one, class_names) for one in pair] for pair in self.flip_pairs if self.flip]
        return replace(self, flip_pairs=pairs)


@dataclass(frozen=True)
class TestTransform:
    """Fixed square crops of the frames, their short side brought to `resize`.

    One crop is the centre; three are left, centre and right, or top, middle and bottom of upright frames.

    Raises:
        ValueError: a size is impossible, or `crops` neither 1 nor 3.
    """

    __test__: ClassVar[bool] = False  # not one of pytest's

    image_size: int  # side of the clip's square frames, pixels
    _: KW_ONLY
    resize: int  # short side before the crop, pixels
    crops: int = 1

    def __post_init__(self) -> None:
        check_positive(image_size=self.image_size, resize=self.resize)
        if self.resize < self.image_size:
            raise ValueError(
                f"crops of {self.image_size} do not fit in frames resized to {self.resize}; resize=auto follows the "
                "image size"
            )
        if self.crops not in (1, 3):
            raise ValueError(f"crops is {self.crops}, must be 1 or 3")

    def __call__(self, frames: np.ndarray) -> Tensor:
        """(T, H, W, 3) -> (crops, T, 3, S, S)."""
        clip = F.resize(as_clip(frames), [self.resize], antialias=True)
        spare = [side - self.image_size for side in clip.shape[-2:]]
        along = 1 if spare[1] >= spare[0] else 0  # the axis that the crops differ in: the longer one
        corners = []
        for share in (0, spare[along] // 2, spare[along]) if self.crops == 3 else (spare[along] // 2,):
            corner = [side // 2 for side in spare]
            corner[along] = share
            corners.append(corner)
        size = self.image_size
        return _views([clip[..., top : top + size, left : left + size] for top, left in corners])


def _label(one: str | int, class_names: Sequence[str]) -> int:
    """The label of a class that is given by its name or its label."""
    if one in class_names:
        return class_names.index(str(one))
    if isinstance(one, int) and 0 <= one < len(class_names):
        return one
    nearest = difflib.get_close_matches(str(one), class_names, 1, cutoff=0.0)
    raise ValueError(
        f"data.train_transform.flip_pairs has the class '{one}', expected names such as '{nearest[0]}', or labels from "
        f"0 to {len(class_names) - 1}"
    )


def before_crop(image_size: int) -> int:
    """Pixels that papers bring the short side to before they cut one crop of `image_size`: 8/7 of it (256 for 224)."""
    return round(image_size * 8 / 7)


def _views(clips: Sequence[Tensor]) -> Tensor:
    """V clips (T, 3, H, W) -> (V, T, 3, H, W) in channels-last memory."""
    return torch.stack([clip.permute(0, 2, 3, 1) for clip in clips]).permute(0, 1, 4, 2, 3)
