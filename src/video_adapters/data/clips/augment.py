"""Changes of a clip's pixels, (T, 3, H, W) uint8 -> the same: RandAugment, colour jitter, erasing."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from video_adapters.data.clips import operations as ops

_ERASE_TRIALS = 10
_ERASE_AREA = (0.02, 1 / 3)  # share of the frame (Zhong et al. 2020, and the official configs)
_ERASE_ASPECT = (0.3, 1 / 0.3)  # height / width
_IMAGENET_MEAN = np.array([123.675, 116.28, 103.53], np.float32)
_IMAGENET_STD = np.array([58.395, 57.12, 57.375], np.float32)


class Operation(NamedTuple):
    """One of RandAugment's operations."""

    apply: Callable[[np.ndarray, float], np.ndarray]  # of frames (T, H, W, 3) and a magnitude
    magnitude: Callable[[float, int, int], float]  # of strength in [0, 1], height, width
    signed: bool  # the magnitude is negated half of the time


@dataclass(frozen=True, kw_only=True)
class RandAugment:
    """`num_ops` operations drawn with replacement, one draw for all frames of the clip (Cubuk et al. 2020).

    Operations, magnitudes and interpolation (nearest, black outside) are those of torchvision's v2.RandAugment. What an
    operation measures first (auto-contrast, equalize, contrast) it measures in each frame. None of them mirrors, so
    labels that say left or right stay true.

    Raises:
        ValueError: a number is impossible.
    """

    num_ops: int = 4
    magnitude: int = 7  # in [0, num_magnitude_bins)
    num_magnitude_bins: int = 31

    def __post_init__(self) -> None:
        if self.num_ops < 0:
            raise ValueError(f"num_ops is {self.num_ops}, must not be negative")
        if not 0 <= self.magnitude < self.num_magnitude_bins or self.num_magnitude_bins < 2:
            raise ValueError(f"magnitude is {self.magnitude} of {self.num_magnitude_bins} bins (at least 2), from 0")

    def __call__(self, clip: Tensor, generator: np.random.Generator) -> Tensor:
        """(T, 3, H, W) -> (T, 3, H, W)."""
        frames = _frames(clip)
        strength = self.magnitude / (self.num_magnitude_bins - 1)
        for draw in generator.integers(len(OPERATIONS), size=self.num_ops):
            operation = list(OPERATIONS.values())[draw]
            magnitude = operation.magnitude(strength, *clip.shape[-2:])
            if operation.signed and generator.random() < 0.5:
                magnitude = -magnitude
            frames = operation.apply(frames, magnitude)
        return as_clip(frames)


def jitter_colors(clip: Tensor, strength: float, generator: np.random.Generator) -> Tensor:
    """Scales brightness, contrast and saturation by factors in [1 - strength, 1 + strength], in random order.

    AIM's recipe for ViT-L on K400 names a colour jitter. Strength 0.4 of each and no hue is what image transformers
    are commonly trained with (Touvron et al. 2021, DeiT, table 9), and our choice.
    """
    frames = _frames(clip)
    for draw in generator.permutation(3):
        adjust = (ops.adjust_brightness, ops.adjust_contrast, ops.adjust_saturation)[draw]
        frames = adjust(frames, generator.uniform(1 - strength, 1 + strength))
    return as_clip(frames)


def erase_box(clip: Tensor, generator: np.random.Generator) -> Tensor:
    """Fills a random box, the same in all frames, with noise of ImageNet's mean and deviation.

    The official code draws the noise anew in each frame; here it stands still, so that a clip without motion stays one.
    """
    box = _box(clip.shape[-2], clip.shape[-1], generator)
    if box is None:
        return clip
    top, left, height, width = box
    noise = _IMAGENET_MEAN + _IMAGENET_STD * generator.standard_normal((height, width, 3), np.float32)
    pixels = noise.round().clip(0, 255).astype(np.uint8)
    clip = clip.clone()
    clip[..., top : top + height, left : left + width] = torch.from_numpy(pixels).permute(2, 0, 1)
    return clip


def _box(height: int, width: int, generator: np.random.Generator) -> tuple[int, int, int, int] | None:
    """Top, left, height and width of a box to erase; None if no draw fits."""
    for _ in range(_ERASE_TRIALS):
        area = height * width * generator.uniform(*_ERASE_AREA)
        aspect = math.exp(generator.uniform(*np.log(_ERASE_ASPECT)))
        h, w = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < h < height and 0 < w < width:
            return int(generator.integers(height - h + 1)), int(generator.integers(width - w + 1)), h, w
    return None


def _frames(clip: Tensor) -> np.ndarray:
    """(T, 3, H, W) -> (T, H, W, 3) without gaps; the memory is shared if the clip is channels-last."""
    return clip.permute(0, 2, 3, 1).contiguous().numpy()


def as_clip(frames: np.ndarray) -> Tensor:
    """(T, H, W, 3) -> (T, 3, H, W), the memory shared."""
    return torch.from_numpy(frames).permute(0, 3, 1, 2)


def _to(most: float) -> Callable[[float, int, int], float]:
    return lambda strength, height, width: most * strength


# What torchvision's v2.RandAugment draws from, by its names.
OPERATIONS: dict[str, Operation] = {
    "Identity": Operation(lambda frames, m: frames, _to(0), False),
    "ShearX": Operation(lambda frames, m: ops.shear(frames, x=m), _to(0.3), True),
    "ShearY": Operation(lambda frames, m: ops.shear(frames, y=m), _to(0.3), True),
    "TranslateX": Operation(
        lambda frames, m: ops.translate(frames, x=int(m)), lambda s, height, width: 150 / 331 * width * s, True
    ),
    "TranslateY": Operation(
        lambda frames, m: ops.translate(frames, y=int(m)), lambda s, height, width: 150 / 331 * height * s, True
    ),
    "Rotate": Operation(ops.rotate, _to(30.0), True),
    "Brightness": Operation(lambda frames, m: ops.adjust_brightness(frames, 1 + m), _to(0.9), True),
    "Color": Operation(lambda frames, m: ops.adjust_saturation(frames, 1 + m), _to(0.9), True),
    "Contrast": Operation(lambda frames, m: ops.adjust_contrast(frames, 1 + m), _to(0.9), True),
    "Sharpness": Operation(lambda frames, m: ops.adjust_sharpness(frames, 1 + m), _to(0.9), True),
    "Posterize": Operation(lambda frames, m: ops.posterize(frames, int(m)), lambda s, h, w: round(8 - 4 * s), False),
    "Solarize": Operation(lambda frames, m: ops.solarize(frames, 255 * m), lambda s, height, width: 1 - s, False),
    "AutoContrast": Operation(lambda frames, m: ops.autocontrast(frames), _to(0), False),
    "Equalize": Operation(lambda frames, m: ops.equalize(frames), _to(0), False),
}
