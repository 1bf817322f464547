"""Sampling of a clip from a video: frame counts in, indices out.

Both rules are those of AIM's published recipes (Yang et al. 2023, section 4.1 and the official configs). Lengths and
numbers of clips below 1 are a ValueError.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from video_adapters.commands.wording import counted


@dataclass(frozen=True, kw_only=True)
class Segments:
    """One frame from each of `num_frames` equal stretches, so that a clip spans the video (SSv2, Diving-48)."""

    num_frames: int  # frames per clip

    def __post_init__(self) -> None:
        check_positive(num_frames=self.num_frames)

    def train(self, length: int, generator: np.random.Generator) -> list[int]:
        """A uniformly drawn frame of each stretch, for a video of `length` frames."""
        return [int(generator.integers(first, last, endpoint=True)) for first, last in self._stretches(length)]

    def test(self, length: int, num_clips: int) -> list[list[int]]:
        """The middle frame of each stretch; there is but one such clip, and a ValueError for more."""
        if num_clips != 1:
            raise ValueError(
                f"{counted(num_clips, 'clip')} asked for: the middles of the segments make 1; more views are more crops"
            )
        return [[(first + last) // 2 for first, last in self._stretches(length)]]

    def _stretches(self, length: int) -> list[tuple[int, int]]:
        """First and last frame of each stretch; neighbours share a frame."""
        check_positive(length=length)
        size = (length - 1) / self.num_frames
        bounds = [round(size * i) for i in range(self.num_frames + 1)]
        return list(pairwise(bounds))


@dataclass(frozen=True, kw_only=True)
class Strided:
    """Frames `stride` apart; a video that is too short starts again from its first frame (Kinetics)."""

    num_frames: int  # frames per clip
    stride: int | None = None  # from one frame of the clip to the next, in frames of the video
    span: int | None = None  # in place of the stride: num_frames * stride

    def __post_init__(self) -> None:
        if (self.stride is None) == (self.span is None):
            raise ValueError(f"stride is {self.stride} and span is {self.span}: give one of them")
        check_positive(num_frames=self.num_frames)
        if self.span is not None and self.span % self.num_frames:
            raise ValueError(f"a span of {self.span} frames does not divide into {self.num_frames} equal strides")
        check_positive(stride=self.step)

    def train(self, length: int, generator: np.random.Generator) -> list[int]:
        """A clip at a uniformly drawn place, for a video of `length` frames."""
        return self._clip(int(generator.integers(max(1, self._num_starts(length)))), length)

    def test(self, length: int, num_clips: int) -> list[list[int]]:
        """Clips that start amid `num_clips` equal shares of the possible starts; all at 0 if the video is too short."""
        check_positive(num_clips=num_clips)
        share = max(0, self._num_starts(length)) / num_clips
        return [self._clip(int(i * share + share / 2), length) for i in range(num_clips)]

    @property
    def step(self) -> int:
        """From one frame of the clip to the next, in frames of the video."""
        return self.stride if self.stride is not None else (self.span or 0) // self.num_frames

    def _num_starts(self, length: int) -> int:
        """Places where a clip fits, its last stride included; 0 or less if the video is too short."""
        check_positive(length=length)
        return length - self.num_frames * self.step + 1

    def _clip(self, start: int, length: int) -> list[int]:
        return [(start + i * self.step) % length for i in range(self.num_frames)]


Sampling = Segments | Strided


def check_positive(**numbers: int | None) -> None:
    """A ValueError for a number below 1; None stands for one that is not given."""
    for name, number in numbers.items():
        if number is not None and number < 1:
            raise ValueError(f"{name} is {number}, must be at least 1")
