"""Agreement of an exported network with the one that it was made of, value by value on noise, and its latency."""

import math
import time
from collections.abc import Sequence

import torch
from torch import Tensor

from video_adapters.model.backbone import Backbone
from video_adapters.recognition.export_formats import Run

TOLERANCE = 1e-4  # largest difference from what PyTorch gives, as a share of its largest value or, above 1, of 1
BATCHES = (1, 3)  # sizes that the written file is tried with; it is traced with 2
TURNS = (3, 31)  # least and most that a latency is the median of
SECONDS = 20.0  # that measuring it takes, unless the least number of turns takes longer


def noise(backbone: Backbone, count: int) -> Tensor:
    """The same every time: (count, T, 3, S, S) uint8."""
    generator = torch.Generator().manual_seed(count)
    shape = (count, backbone.num_frames, 3, *backbone.encoder.image_size)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def difference(expected: Tensor, given: Tensor) -> float:
    """The largest. Of several hundred classes' probabilities none may be above 0.01: it is a share of the largest
    value, unless that is above 1, as logits are."""
    if expected.shape != given.shape:
        return float("inf")
    return float((expected - given).abs().max() / expected.abs().max().clamp(max=1))


def largest_difference(expected: Sequence[Tensor], batches: Sequence[Tensor], run: Run) -> float:
    """Of an opened file from what PyTorch gives on several batches; infinite where it gives no finite numbers."""
    off = [difference(y, run(clips)) for y, clips in zip(expected, batches, strict=True)]
    return max(off) if all(map(math.isfinite, off)) else math.inf  # of NaN and a number, max gives the first


def latencies(runs: Sequence[Run], clip: Tensor, turns: int | None = None) -> list[list[float]]:
    """Seconds that each of several opened files takes for one clip, (1, T, 3, S, S), turn by turn.

    They take turns, so that what else the machine does slows all of them alike; the first turn is not counted. None:
    from the least to the most of `TURNS`, as many as `SECONDS` leave time for.
    """
    least, most = TURNS if turns is None else (turns, turns)
    times: list[list[float]] = []
    start = time.perf_counter()
    while len(times) <= least or (len(times) <= most and time.perf_counter() - start < SECONDS):
        times.append([_seconds(run, clip) for run in runs])
    return [list(one) for one in zip(*times[1:], strict=True)]


def _seconds(run: Run, clip: Tensor) -> float:
    start = time.perf_counter()
    run(clip)
    return time.perf_counter() - start
