"""Pictures of bounded size: image files upright and in 8 bits a channel, and frames resized to a video's first one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageOps

MOST_PIXELS = 1 << 26  # 8192 x 8192, twice 8K; 200 MB in RGB
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")  # whatever a name says: others, as PostScript, are run as programs
_ORIENTATION = 0x0112  # EXIF's tag; from 5 on width and height are exchanged


def check_size(width: int, height: int) -> None:
    """Bounds what a picture takes of memory: a ValueError for more."""
    if width * height > MOST_PIXELS:
        raise ValueError(f"is {width}x{height} pixels large, more than {MOST_PIXELS >> 20} million")


def read_picture(path: str) -> np.ndarray:
    """An image file, upright -> (H, W, 3) uint8 RGB; exceptions of any kind for what is no such image."""
    with _opened(path) as image:
        return np.asarray(_eight_bits(ImageOps.exif_transpose(image)).convert("RGB"))


def size_of_picture(path: str) -> tuple[int, int]:
    """Height and width that `read_picture` would give, by the header; raises as it does."""
    with _opened(path) as image:
        if image.format == "TIFF":  # newer Pillows turn it while loading
            return read_picture(path).shape[:2]
        early = image.format != "PNG" or "exif" in image.info  # else Pillow would decode it all, to look behind it
        turned = early and image.getexif().get(_ORIENTATION, 1) >= 5
        return (image.width, image.height) if turned else (image.height, image.width)


def resized(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """(H, W, 3) uint8 -> (height, width, 3), antialiased."""
    image = Image.fromarray(np.ascontiguousarray(picture))
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))


@contextmanager
def _opened(path: str) -> Iterator[Image.Image]:
    if not os.path.isfile(path):  # a pipe would be waited for, a device may never end
        raise ValueError("it is no file")
    with Image.open(path, formats=FORMATS) as image:
        check_size(*image.size)
        yield image


def _eight_bits(image: Image.Image) -> Image.Image:
    """16 bits of grey by their upper half, as of 16-bit video and colour; Pillow would clip them."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(f"its grey values (Pillow's mode {image.mode}) have no known white: save it in 8 or 16 bits")
    return image
