"""Ways from a video file to a float32 batch, for benchmarks/input.py: ours, and those of an mmaction2-style pipeline.

A way has three steps: read the frames, augment them to a clip, make a batch of clips. One thread per library.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import av
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import RandomResizedCrop, v2

from video_adapters.data.clips.augment import OPERATIONS, RandAugment
from video_adapters.data.clips.transform import TrainTransform
from video_adapters.data.dataset import Sample, collate
from video_adapters.data.video.decode import VideoReader

MEAN = np.array([123.675, 116.28, 103.53])  # ImageNet's, of 0 to 255
STD = np.array([58.395, 57.12, 57.375])
RESIZE = 256  # short side before the crop, as published

Read = Callable[[str, Sequence[int]], np.ndarray]  # path and indices -> (T, H, W, 3)


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way from the file to the batch."""

    name: str
    read: Read
    augment: Callable[[np.ndarray, np.random.Generator], Any]  # (T, H, W, 3) -> what `batch` takes
    batch: Callable[[Sequence[Any]], Tensor]  # clips -> (B, ..., 3 x T x H x W in some order) float32
    needs: tuple[str, ...] = ()  # packages beyond ours

    def obstacle(self, path: str) -> str | None:
        """Why this way cannot be gone on this machine, if it cannot."""
        if missing := [package for package in self.needs if find_spec(package) is None]:
            return f"{' and '.join(missing)} not installed"
        try:
            self.read(path, [0])
        except (ImportError, OSError, RuntimeError) as error:  # installed, but without the libraries it loads
            return str(error).splitlines()[0]
        return None


def ways(transform: TrainTransform) -> list[Way]:
    """Ours, then the others; the first of them that is installed is the rival."""

    def usual(frames: np.ndarray, generator: np.random.Generator) -> list[np.ndarray]:
        return augment_with_opencv(frames, transform, generator)

    return [
        Way(name="ours", read=read_ours, augment=lambda f, g: transform(f, 0, g)[0], batch=batch_ours),
        *(
            Way(name=f"{name} + OpenCV", read=read, augment=usual, batch=batch_usual, needs=(*needs, "cv2"))
            for name, read, needs in [
                ("decord", read_decord, ("decord",)),
                ("OpenCV", read_opencv, ()),
                ("torchcodec", read_torchcodec, ("torchcodec",)),
                ("PyAV, start to end", read_sequentially, ()),
            ]
        ),
    ]


def read_ours(path: str, indices: Sequence[int]) -> np.ndarray:
    with VideoReader(path) as reader:
        return reader.read(indices)


def read_sequentially(path: str, indices: Sequence[int]) -> np.ndarray:
    """Every frame decoded up to the last one wanted; only those wanted become RGB."""
    wanted, pictures = set(indices), {}
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        for place, frame in enumerate(container.decode(stream)):
            if place in wanted:
                pictures[place] = frame.to_ndarray(format="rgb24")
            if place == max(wanted):
                break
    return np.stack([pictures[index] for index in indices])


def read_decord(path: str, indices: Sequence[int]) -> np.ndarray:
    import decord

    return decord.VideoReader(path, num_threads=1).get_batch(list(indices)).asnumpy()


def read_torchcodec(path: str, indices: Sequence[int]) -> np.ndarray:
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(path, num_ffmpeg_threads=1, dimension_order="NHWC")
    return decoder.get_frames_at(indices=list(indices)).data.numpy()


def read_opencv(path: str, indices: Sequence[int]) -> np.ndarray:
    """Grabs up to the last frame wanted: OpenCV's seeking is not exact."""
    import cv2

    capture, wanted, pictures = cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1]), set(indices), {}
    for place in range(max(wanted) + 1):
        capture.grab()
        if place in wanted:
            pictures[place] = cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB)
    capture.release()
    return np.stack([pictures[index] for index in indices])


def batch_ours(clips: Sequence[Tensor]) -> Tensor:
    """The uint8 batch that workers hand on, and its normalisation, which in training is the GPU's, here the CPU's.

    Same arithmetic as the model's. Whole rows of pixels, as they lie in memory, save a loop over 3 values at a time.
    """
    pixels = collate([Sample(clip, 0, 1.0, 0, (), True) for clip in clips]).clips
    mean, std = (torch.from_numpy(values / 255).float().repeat(pixels.shape[-1]) for values in (MEAN, STD))
    rows = pixels.permute(0, 1, 2, 4, 5, 3).flatten(-2).float().div_(255).sub_(mean).div_(std)
    return rows.unflatten(-1, (-1, 3)).permute(0, 1, 2, 5, 3, 4)


def augment_with_opencv(
    frames: np.ndarray, transform: TrainTransform, generator: np.random.Generator
) -> list[np.ndarray]:
    """Resize to 256, crop, resize, flip by OpenCV, then RandAugment by Pillow, frame by frame."""
    import cv2

    cv2.setNumThreads(1)
    height, width = frames.shape[1:3]
    scale = RESIZE / min(height, width)
    resized = [cv2.resize(frame, (round(scale * width), round(scale * height))) for frame in frames]
    shape = torch.empty(3, *resized[0].shape[:2])
    top, left, h, w = RandomResizedCrop.get_params(shape, list(transform.area), list(transform.aspect))
    side = (transform.image_size, transform.image_size)
    clip = [cv2.resize(frame[top : top + h, left : left + w], side) for frame in resized]
    if generator.random() < transform.flip:
        clip = [cv2.flip(frame, 1) for frame in clip]
    if transform.rand_augment is not None:
        clip = rand_augment_with_pillow(clip, transform.rand_augment, generator)
    return clip


def rand_augment_with_pillow(
    clip: Sequence[np.ndarray], settings: RandAugment, generator: np.random.Generator
) -> list[np.ndarray]:
    """torchvision's operations on Pillow images, drawn once for all frames."""
    torchvisions, strength = v2.RandAugment(), settings.magnitude / (settings.num_magnitude_bins - 1)
    images = [Image.fromarray(frame) for frame in clip]
    for draw in generator.integers(len(OPERATIONS), size=settings.num_ops):
        name, operation = list(OPERATIONS.items())[draw]
        magnitude = operation.magnitude(strength, *clip[0].shape[:2])
        if operation.signed and generator.random() < 0.5:
            magnitude = -magnitude
        images = [
            torchvisions._apply_image_or_video_transform(image, name, magnitude, "nearest", {Image.Image: None})
            for image in images
        ]
    return [np.asarray(image) for image in images]


def batch_usual(clips: Sequence[Sequence[np.ndarray]]) -> Tensor:
    """Normalises frame by frame, and stacks: (B, 3, T, H, W)."""
    return torch.stack(
        [torch.from_numpy(np.stack([_normalised(frame) for frame in clip]).transpose(3, 0, 1, 2)) for clip in clips]
    )


def _normalised(frame: np.ndarray) -> np.ndarray:
    import cv2

    pixels = frame.astype(np.float32)
    cv2.subtract(pixels, MEAN[None], pixels)
    cv2.multiply(pixels, 1 / STD[None], pixels)
    return pixels
