"""Facts of a graphics card that a plan needs."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from video_adapters.memory.allocator import MIB
from video_adapters.memory.storage_log import Work

CONTEXT = 0.5
"""GiB that CUDA's context, its libraries' code and PyTorch's kernels take of a card, before any tensor."""

MARGIN = 0.05
"""Share of what is left that a plan leaves free."""

REACHED = 0.5
"""Share of their peak that matrix products reach; the times of a plan are no better than this guess."""

LAUNCH = 1e-5
"""Seconds that an operator takes at least, from PyTorch's dispatcher to the kernel's end."""


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A graphics card.

    Raises:
        ValueError: for values that no card has.
    """

    name: str  # as the driver reports it, without the maker's
    memory: float  # GiB, as PyTorch reports it (a little less than on the box)
    capability: float  # CUDA's compute capability, such as 6.1
    fp32: float  # peak TFLOP/s
    fp16: float  # of matrix products of fp16 summed in fp32; where there are no tensor cores, that of fp32
    bandwidth: float  # GB/s of its memory

    def __post_init__(self) -> None:
        if min(self.memory, self.fp32, self.fp16, self.bandwidth) <= 0 or self.capability < 5:
            raise ValueError(
                f"gpu is {self}: memory (GiB), fp32, fp16 (TFLOP/s) and bandwidth (GB/s) must be above 0, capability "
                "at least 5.0"
            )
        if self.memory <= CONTEXT:
            raise ValueError(f"gpu.memory is {self.memory} GiB, and CUDA's context alone takes {CONTEXT}: nothing fits")

    @property
    def version(self) -> tuple[int, int]:
        """The compute capability as CUDA gives it: 6.1 -> (6, 1)."""
        major, minor = divmod(round(self.capability * 10), 10)
        return major, minor

    @property
    def limit(self) -> int:
        """Bytes that PyTorch may reserve there in a plan."""
        return int((self.memory - CONTEXT) * (1 - MARGIN) * 1024) * MIB

    def seconds(self, work: Sequence[Work], half: torch.dtype | None) -> float:
        """What work takes, roughly: products at half of the card's peak, all else at the speed of its memory."""
        rate = (self.fp32 if half is None else self.fp16) * 1e12 * REACHED
        speed = self.bandwidth * 1e9
        return sum(max(flops / rate if flops else sum(sizes) / speed, LAUNCH) for flops, sizes in work)
