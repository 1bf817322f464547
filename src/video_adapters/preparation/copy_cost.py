"""Cost and gain of copying a data set, measured on a few of its videos."""

import os
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from hydra.utils import instantiate
from omegaconf import DictConfig
from rich.filesize import decimal

from video_adapters.commands.terminal import summary
from video_adapters.commands.workers import Failure, cores
from video_adapters.data.annotations import UNLABELLED, Video
from video_adapters.data.clips.sample import Sampling
from video_adapters.data.video.reader import open_video
from video_adapters.preparation.encode_video import Copy, Settings, write_copy
from video_adapters.preparation.workload import worked_on

SAMPLE = 8  # videos that the prediction rests on
CLIPS = 3  # read of each of them, to compare the speed


class _Measured(NamedTuple):
    """What the copy of one video costs and gains."""

    size: int  # bytes of the original, file or folder
    copied_size: int
    seconds: float  # of one core, to make it
    read: float  # seconds for a training clip of the original
    copied_read: float


def estimate_cost(copies: Sequence[Copy], settings: Settings, cfg: DictConfig, workers: int | None) -> None:
    """Copies a few videos elsewhere, and says what all of them will cost and gain."""
    sample = [copies[int(i)] for i in np.unique(np.linspace(0, len(copies) - 1, SAMPLE).round())]
    sampling: Sampling = instantiate(cfg.sampling)(num_frames=cfg.num_frames)
    with tempfile.TemporaryDirectory() as folder:
        elsewhere = [Copy(copy.source, f"{folder}/{number}.mp4") for number, copy in enumerate(sample)]
        results = [
            result for _, result in worked_on("sample", partial(measure, settings, sampling), elsewhere, workers)
        ]
    measured = [result for result in results if not isinstance(result, Failure)]
    if not measured:
        raise ValueError(f"none of {len(sample)} videos could be copied, such as {sample[0].source}: {results[0]}")
    mean = _Measured(*np.mean(measured, axis=0))
    total = sum(_size(copy.source, mean.size) for copy in copies)
    broken = f", {len(sample) - len(measured)} more cannot be read" if len(sample) > len(measured) else ""
    rows = {
        "sample": f"{len(measured)} of {len(copies)} videos{broken}",
        "disk": f"{decimal(round(total * mean.copied_size / mean.size))} beside the originals' {decimal(round(total))}",
        "reading a clip": f"{1000 * mean.copied_read:.1f} ms instead of {1000 * mean.read:.1f}: "
        f"{mean.read / mean.copied_read:.1f} times as fast",
        "takes": f"about {mean.seconds * len(copies) / cores(workers) / 60:.0f} min on {cores(workers)} cores",
    }  # fmt: skip
    summary("predicted from a sample", rows)


def measure(settings: Settings, sampling: Sampling, copy: Copy) -> _Measured:
    start = time.process_time()
    write_copy(copy.source, copy.target, settings)
    seconds = time.process_time() - start
    reads = [_reading(path, sampling) for path in (copy.source, copy.target)]
    files = [entry.path for entry in os.scandir(copy.source)] if os.path.isdir(copy.source) else [copy.source]
    return _Measured(sum(map(os.path.getsize, files)), os.path.getsize(copy.target), seconds, *reads)


def _reading(path: str, sampling: Sampling) -> float:
    """Seconds of one core that a training clip takes, from file to frames."""
    generator = np.random.default_rng(0)
    start = time.process_time()
    for _ in range(CLIPS):
        with open_video(Video(path, UNLABELLED)) as video:
            video.read(sampling.train(video.num_frames, generator))
    return (time.process_time() - start) / CLIPS


def _size(path: str, usual: float) -> float:
    """Bytes of a file; of a folder of frames the usual number, since to look at all its files would take too long."""
    if os.path.isdir(path):
        return usual
    return os.path.getsize(path) if os.path.isfile(path) else 0
