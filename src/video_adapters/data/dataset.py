"""Videos to clips: sample, decode, transform in a row; what happens to a broken file is decided here, once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from video_adapters.data.annotations import Videos
from video_adapters.data.clips.sample import Sampling
from video_adapters.data.clips.transform import TestTransform, TrainTransform
from video_adapters.data.sampler import Key
from video_adapters.data.video.frame_source import DecodeError
from video_adapters.data.video.reader import open_video

REPLACEMENTS = 10  # videos tried for one clip


class Sample(NamedTuple):
    """One video, ready to be stacked."""

    clip: Tensor  # (V, T, 3, H, W) uint8, V views; or their stored features, (V, T, D) or (V, T, N, D) float
    label: int
    weight: float  # share of the optimizer step's loss
    video: int  # index in the data set
    broken: tuple[str, ...]  # files that could not be read on the way here, with the reason
    readable: bool  # false: the clip is blank and the video counts as wrong
    resized: str = ""  # the video's path, if frames of another size than its first were resized
    tokens: Tensor | None = None  # (V, L, T, N, D) float, of an encoder's L blocks, if they are stored


class Batch(NamedTuple):
    """Samples stacked. (Lightning moves the tensors to the device, field by field.)"""

    clips: Tensor  # (B, V, T, 3, H, W) uint8; or features, (B, V, T, D) or (B, V, T, N, D) float
    labels: Tensor  # (B,)
    weights: Tensor  # (B,) float
    indices: Tensor  # (B,)
    readable: Tensor  # (B,) bool
    broken: list[str]
    resized: Sequence[str] = ()
    tokens: Tensor | None = None  # (B, V, L, T, N, D) float


def collate(samples: Sequence[Sample]) -> Batch:
    """Stacks samples; clips keep their channels-last memory, which the transform produced and the device likes.

    A loading process puts them into shared memory here, where a failure reaches the process that trains. Left to the
    thread of the queue between the two, it would only be printed, and the batch waited for until the time-out.
    """
    batch = Batch(
        clips=_stacked([s.clip for s in samples]),
        labels=torch.tensor([s.label for s in samples]),
        weights=torch.tensor([s.weight for s in samples]),
        indices=torch.tensor([s.video for s in samples]),
        readable=torch.tensor([s.readable for s in samples]),
        broken=[note for s in samples for note in s.broken],
        resized=[s.resized for s in samples if s.resized],
        tokens=None if samples[0].tokens is None else torch.stack([s.tokens for s in samples if s.tokens is not None]),
    )
    if get_worker_info() is not None:
        for value in batch:
            if isinstance(value, Tensor):
                value.share_memory_()
    return batch


def _stacked(clips: Sequence[Tensor]) -> Tensor:
    if clips[0].is_floating_point():  # features, see Batch
        return torch.stack(list(clips))
    return torch.stack([clip.permute(0, 1, 3, 4, 2) for clip in clips]).permute(0, 1, 2, 5, 3, 4)


@dataclass(eq=False)
class TrainClips(Dataset[Sample]):
    """One random clip per video and epoch, a function of (seed, epoch, index) alone.

    A broken file is replaced by another video, drawn by the same generator, and named in `Sample.broken`. When none of
    several can be read, the sample is blank and weighs nothing: those who count `broken` decide whether to go on.
    """

    videos: Videos
    sampling: Sampling
    transform: TrainTransform
    seed: int
    strict: bool = False  # see VideoData

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, key: Key) -> Sample:
        generator = np.random.default_rng([self.seed, key.epoch, key.video])
        index, broken = key.video, []
        for _ in range(REPLACEMENTS):
            try:
                clip, label, resized = self.clip(index, generator)
            except DecodeError as error:
                broken.append(str(error))
                index = int(generator.integers(len(self.videos)))
                continue
            return Sample(clip, label, key.weight, key.video, tuple(broken), True, resized)
        blank = _blank(1, self.sampling.num_frames, self.transform.image_size)
        return Sample(blank, 0, 0.0, key.video, tuple(broken), readable=False)

    def clip(self, index: int, generator: np.random.Generator) -> tuple[Tensor, int, str]:
        """A random clip of a video (1, T, 3, H, W), its label, and its path if frames of it were resized.

        Raises:
            DecodeError: it cannot be read.
        """
        video = self.videos[index]
        with open_video(video, self.strict) as span:
            frames = span.read(self.sampling.train(span.num_frames, generator))
        return *self.transform(frames, video.label, generator), video.path if span.num_resized else ""

    def labelled(self, label: int) -> "TrainClips":
        """The same clips, all of one class."""
        return replace(self, videos=Videos(video._replace(label=label) for video in self.videos))


@dataclass(eq=False)
class TestClips(Dataset[Sample]):
    """The fixed views of each video: clips x crops, decoded together.

    A broken file becomes a blank clip that is not `readable`: it counts as wrong, and is named in `Sample.broken`.
    """

    __test__ = False  # not one of pytest's

    videos: Videos
    sampling: Sampling
    transform: TestTransform
    num_clips: int  # of each video
    strict: bool = False  # see VideoData

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, key: Key) -> Sample:
        label = int(self.videos.labels[key.video])
        try:
            views, resized = self.views(key.video)
        except DecodeError as error:
            views = _blank(self.num_clips * self.transform.crops, self.sampling.num_frames, self.transform.image_size)
            return Sample(views, label, key.weight, key.video, (str(error),), readable=False)
        return Sample(views, label, key.weight, key.video, (), True, resized)

    def views(self, index: int) -> tuple[Tensor, str]:
        """The views of a video (V, T, 3, S, S), and its path if frames of it were resized.

        Raises:
            DecodeError: it cannot be read.
        """
        video = self.videos[index]
        with open_video(video, self.strict) as span:
            views = read_views(span, self.sampling, self.transform, self.num_clips)
            return views, video.path if span.num_resized else ""


class Readable(Protocol):
    """Frames that can be read by their number, of a file or in memory."""

    num_frames: int

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """The frames at `indices` -> (len(indices), H, W, 3) RGB."""


def read_views(span: Readable, sampling: Sampling, transform: TestTransform, num_clips: int) -> Tensor:
    """The fixed views of an open video, clip by clip, decoded together: (V, T, 3, S, S) uint8.

    Raises:
        DecodeError: one of their frames cannot be had.
    """
    clips = sampling.test(span.num_frames, num_clips)
    frames = span.read([i for clip in clips for i in clip])
    return torch.cat([transform(clip) for clip in np.split(frames, num_clips)])


def _blank(views: int, num_frames: int, image_size: int) -> Tensor:
    """Black clips where nothing could be read: (V, T, 3, H, W), memory as the transforms leave it."""
    return torch.zeros(views, num_frames, image_size, image_size, 3, dtype=torch.uint8).permute(0, 1, 4, 2, 3)
