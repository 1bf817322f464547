"""The cheapest split of a step's clips, with the fewest blocks recomputed, that fits a card."""

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import NamedTuple

import torch

from video_adapters.memory.allocator import CachingAllocator, Event, Peak
from video_adapters.memory.gpu import Gpu
from video_adapters.memory.step import Trace

ANCHOR = 5
"""Clips of the traces that all others are estimated from: an odd number tells what grows with the clips."""

MOST_TRACES = 8
"""Traces after which the best of those that fit is taken."""


Tracer = Callable[[int, int, list[Event] | None, bool], Trace]
"""Makes the trace of (clips, checkpointed blocks, update to take over, whether to evaluate too)."""


class Option(NamedTuple):
    """One way to make an optimizer step on one card."""

    clips: int  # per pass
    passes: int
    checkpointed: int  # blocks recomputed, from the first
    peak: Peak  # bytes
    flops: int  # of a step, recomputation included
    seconds: float  # of a step, roughly
    traced: bool  # whether the peak is that of a trace of just this option, or estimated from others


class Search:
    """Options for a share of `share` clips per step on one card.

    Within a stage, whose blocks are alike, peaks fall on a line while blocks are recomputed one after the other, up to
    the encoder's last, which is recomputed for nothing: its backward pass is the first. From stage to stage the slope
    changes. So traces at the ends of these lines, the `anchors`, tell of what is between; traces of options that looked
    best replace estimates, until the best one is traced itself. `half` is the type of autocast, if any.
    """

    def __init__(self, record: Tracer, anchors: Iterable[int], share: int, gpu: Gpu, half: torch.dtype | None) -> None:
        self.record, self.share, self.gpu, self.half = record, share, gpu, half
        self.noted: dict[tuple[int, int], Option] = {}  # by clips and checkpointed blocks
        self.update: list[Event] | None = None
        for checkpointed in anchors:
            anchor = record(ANCHOR, checkpointed, self.update, False)
            self.update = anchor.first_update
            for clips in self.splits():
                self._note(anchor.scaled(clips), checkpointed, traced=False)

    def splits(self) -> list[int]:
        """The numbers of clips that divide the share into whole passes."""
        return [clips for clips in range(1, self.share + 1) if self.share % clips == 0]

    def best(self) -> Option | None:
        """The quickest option that fits, traced; None where none does."""
        while True:
            fitting = [option for option in self.options() if self.fits(option)]
            if sum(option.traced for option in self.noted.values()) >= MOST_TRACES:
                fitting = [option for option in fitting if option.traced]
            if not fitting:
                return None
            quickest = min(fitting, key=lambda option: (option.seconds, option.peak.reserved))
            if quickest.traced:
                return quickest
            trace = self.record(quickest.clips, quickest.checkpointed, self.update, True)
            self._note(trace, quickest.checkpointed, traced=True)

    def options(self) -> list[Option]:
        """What was considered: for every split the anchors, and the fewest recomputed blocks that fit."""
        fewest = (self._fewest(clips) for clips in self.splits())
        estimated = {(option.clips, option.checkpointed): option for option in fewest if option}
        return [option for _, option in sorted((estimated | self.noted).items())]

    def fits(self, option: Option) -> bool:
        """Whether the card has room for it."""
        return option.peak.reserved <= self.gpu.limit

    def _note(self, trace: Trace, checkpointed: int, traced: bool) -> None:
        passes = self.share // trace.clips
        self.noted[trace.clips, checkpointed] = Option(
            trace.clips,
            passes,
            checkpointed,
            CachingAllocator().run(trace.steps(passes)),
            passes * sum(work.flops for work in trace.work),
            passes * self.gpu.seconds(trace.work, self.half),
            traced,
        )

    def _fewest(self, clips: int) -> Option | None:
        """The option of these clips that recomputes the fewest blocks and fits, estimated between those noted."""
        noted = [option for _, option in sorted(self.noted.items()) if option.clips == clips]
        for low, high in pairwise(noted):
            if self.fits(low):
                return low
            for checkpointed in range(low.checkpointed + 1, high.checkpointed):
                between = _between(low, high, checkpointed)
                if self.fits(between):
                    return between
        return None


def _between(low: Option, high: Option, checkpointed: int) -> Option:
    """The option on the line between two that differ in checkpointed blocks alone."""
    share = (checkpointed - low.checkpointed) / (high.checkpointed - low.checkpointed)

    def at(start: float, end: float) -> float:
        return start + share * (end - start)

    peak = Peak(*(round(at(*ends)) for ends in zip(low.peak, high.peak, strict=True)))
    flops, seconds = round(at(low.flops, high.flops)), at(low.seconds, high.seconds)
    return Option(low.clips, low.passes, checkpointed, peak, flops, seconds, traced=False)
