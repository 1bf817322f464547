"""RandAugment's operations on a whole clip, (T, H, W, 3) uint8 -> the same, as torchvision's give on (T, 3, H, W).

torchvision goes through several float32 copies of the clip, its colours apart. Here frames stay as they are decoded and
are taken one by one, small enough for the processor's cache; what depends on a histogram is a table of 256 entries,
what turns or slants them a list of where each byte comes from. That takes a quarter of the time. What torchvision
measures in each frame is measured in each frame. No operation writes into the frames handed in, which must lie without
gaps.
"""

import math
from functools import lru_cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as F

_GREY = np.array([[0.2989], [0.587], [0.114]], np.float32).repeat(3, 1)  # torchvision's weights of red, green, blue
_KERNEL_SUM = 13  # of Pillow's SMOOTH filter: 3 x 3 ones, 5 in the middle
_CORNER = [0.0, 0.0]  # the point that shearing leaves in place, as RandAugment in torchvision
_MAPS = 16  # RandAugment has 3 warps, each with 2 signs; a map of 224 x 224 pixels takes 0.75 MB


def adjust_brightness(frames: np.ndarray, factor: float) -> np.ndarray:
    """Multiplies by `factor`."""
    changed = np.empty_like(frames)
    for frame, out in zip(frames, changed, strict=True):
        _store(_floats(frame).mul_(factor), out)
    return changed


def adjust_contrast(frames: np.ndarray, factor: float) -> np.ndarray:
    """Multiplies by `factor` the distance to each frame's mean grey."""
    changed = np.empty_like(frames)
    for frame, out in zip(frames, changed, strict=True):
        pixels = _floats(frame)
        mean = _grey(pixels.view(-1, 3), channels=1).mean()
        _store(pixels.mul_(factor).add_(mean, alpha=1 - factor), out)
    return changed


def adjust_saturation(frames: np.ndarray, factor: float) -> np.ndarray:
    """Multiplies by `factor` the distance to each pixel's grey."""
    changed = np.empty_like(frames)
    for frame, out in zip(frames, changed, strict=True):
        pixels = _floats(frame.reshape(-1, 3))
        grey = _grey(pixels, channels=3)
        _store(pixels.mul_(factor).add_(grey, alpha=1 - factor), out.reshape(-1, 3))
    return changed


def adjust_sharpness(frames: np.ndarray, factor: float) -> np.ndarray:
    """Multiplies by `factor` the distance to the smoothed frame; its outermost pixels stay."""
    changed = frames.copy()
    if min(frames.shape[1:3]) <= 2:
        return changed
    for frame, out in zip(frames, changed, strict=True):
        inner = _floats(frame[1:-1, 1:-1])
        _store(inner.add_(_smoothed(frame).sub_(inner), alpha=1 - factor), out[1:-1, 1:-1])
    return changed


def posterize(frames: np.ndarray, bits: int) -> np.ndarray:
    """Keeps the highest `bits` bits."""
    return frames & np.uint8(256 - (1 << 8 - bits))


def solarize(frames: np.ndarray, threshold: float) -> np.ndarray:
    """Inverts values from `threshold` on."""
    bright = (frames >= math.ceil(threshold)).view(np.uint8)  # compared as bytes: as floats it takes thrice the time
    return frames ^ np.negative(bright, out=bright)  # 255 - x is x with every bit flipped, and -1 is 255


def autocontrast(frames: np.ndarray) -> np.ndarray:
    """Stretches each channel of each frame to 0 to 255."""
    num_frames, height, width, _ = frames.shape
    rows = frames.reshape(num_frames, height, width * 3)  # long rows first: the innermost axis of 3 would be slow
    low, high = rows.min(1).reshape(-1, width, 3).min(1), rows.max(1).reshape(-1, width, 3).max(1)
    # All values that a channel may hold, as a picture: what torchvision makes of them is the table.
    values = np.arange(256, dtype=np.uint8).clip(low[..., None], high[..., None])
    return _look_up(frames, F.autocontrast(torch.from_numpy(values)[:, :, None]))


def equalize(frames: np.ndarray) -> np.ndarray:
    """Levels the histogram of each channel of each frame, by Pillow's rule."""
    counts = np.array([Image.fromarray(frame).histogram() for frame in frames]).reshape(-1, 3, 256)
    highest = 255 - (counts[..., ::-1] > 0).argmax(-1)[..., None]  # the highest value there is
    step = (counts.sum(-1, keepdims=True) - np.take_along_axis(counts, highest, -1)) // 255
    below = counts.cumsum(-1) - counts  # pixels darker than the value
    tables = np.where(step > 0, ((below + step // 2) // np.maximum(step, 1)).clip(0, 255), np.arange(256))
    return _look_up(frames, torch.from_numpy(tables.astype(np.uint8))[:, :, None])


def rotate(frames: np.ndarray, degrees: float) -> np.ndarray:
    """Turns anticlockwise about the centre."""
    return _warp(frames, degrees=degrees)


def shear(frames: np.ndarray, x: float = 0.0, y: float = 0.0) -> np.ndarray:
    """Shifts rows by `x` pixels for each row down, columns by `y` for each column to the right."""
    return _warp(frames, shear=(x, y))


def translate(frames: np.ndarray, x: int = 0, y: int = 0) -> np.ndarray:
    """Shifts right by `x` and down by `y` pixels."""
    moved = np.zeros_like(frames)
    (rows, from_rows), (columns, from_columns) = _shifted(frames.shape[1], y), _shifted(frames.shape[2], x)
    moved[:, rows, columns] = frames[:, from_rows, from_columns]
    return moved


def _shifted(length: int, by: int) -> tuple[slice, slice]:
    """Along one axis: the places that are still filled after the shift, and where their pixels were."""
    return slice(max(by, 0), max(length + by, 0)), slice(max(-by, 0), max(length - by, 0))


def _look_up(frames: np.ndarray, tables: Tensor) -> np.ndarray:
    """Replaces each value by its entry in the table of its frame and channel; tables (T, 3, 1, 256) uint8."""
    width = frames.shape[2]
    first = torch.arange(3, dtype=torch.int32).mul(256).repeat(width)  # where a channel's table begins, along a row
    pixels = torch.from_numpy(frames).flatten(2)
    changed = torch.empty_like(pixels)
    for frame, table, out in zip(pixels, tables.flatten(1), changed, strict=True):
        torch.index_select(table, 0, frame.int().add_(first).view(-1), out=out.view(-1))
    return changed.numpy().reshape(frames.shape)


def _warp(frames: np.ndarray, degrees: float = 0.0, shear: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """Moves pixels; each comes from the nearest place of the frame, or is black."""
    sources, inside = _sources(frames.shape[1], frames.shape[2], degrees, shear)
    flat = torch.from_numpy(frames).view(len(frames), -1)
    moved = torch.empty_like(flat)
    for frame, out in zip(flat, moved, strict=True):
        torch.index_select(frame, 0, sources, out=out)
    return moved.mul_(inside).numpy().reshape(frames.shape)


@lru_cache(maxsize=_MAPS)
def _sources(height: int, width: int, degrees: float, shear: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Where each byte of a warped frame comes from -> (H*W*3,) int32, and (H*W*3,) uint8, 0 where from outside.

    Got by letting torchvision warp the places of the pixels, counted from 1, as if they were a picture.
    """
    numbers = torch.arange(1, height * width + 1, dtype=torch.float32).view(1, height, width)  # exact up to 2^24
    angles = [math.degrees(math.atan(share)) for share in shear]
    # rotate() and affine() differ in what a positive angle is, and in the last digits
    if degrees:
        numbers = F.rotate(numbers, degrees)
    else:
        numbers = F.affine(numbers, angle=0.0, translate=[0, 0], scale=1.0, shear=angles, center=_CORNER)
    pixels = numbers.int().reshape(-1, 1)
    sources = (pixels - 1).clamp(min=0) * 3 + torch.arange(3, dtype=torch.int32)
    return sources.flatten(), (pixels > 0).to(torch.uint8).expand(-1, 3).flatten()


def _floats(pixels: np.ndarray) -> Tensor:
    """A copy in float32. Sums are torch's, whose rounding torchvision has; casts NumPy's, which are faster."""
    return torch.from_numpy(pixels.astype(np.float32))


def _store(pixels: Tensor, out: np.ndarray) -> None:
    """Cuts float32 off at 0, 255 and the point, and writes it to `out`; the input is overwritten."""
    np.copyto(out, pixels.clamp_(0, 255).numpy(), casting="unsafe")


def _grey(pixels: Tensor, channels: int) -> Tensor:
    """(N, 3) -> (N, 1 or 3), whole numbers; the same in all channels, so that they add without broadcasting."""
    return torch.from_numpy(pixels.numpy() @ _GREY[:, :channels]).floor_()


def _smoothed(frame: np.ndarray) -> Tensor:
    """(H, W, 3) -> (H - 2, W - 2, 3) float32: each pixel's mean with its neighbours, itself counting five times."""
    wide = frame.astype(np.uint16)
    rows = wide[:-2] + wide[1:-1]
    rows += wide[2:]
    total = rows[:, :-2] + rows[:, 1:-1]
    total += rows[:, 2:]
    wide *= 4
    total += wide[1:-1, 1:-1]
    total += _KERNEL_SUM // 2  # to round, not to cut off: 13 is odd, there are no ties
    total //= _KERNEL_SUM
    return _floats(total)
