"""CPU time from video file to training clip: python benchmarks/reading.py --help

Writes files like those of the data sets, then reads clips of them by our reader and by decoding each file from start to
end, the two taking turns in one process. Times are CPU times of one clip, medians over the repeats.
"""

import argparse
import os
import platform
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import av
import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from rich.console import Console
from rich.table import Table
from rich.text import Text

from video_adapters.data.decode import VideoReader
from video_adapters.data.sample import Sampling, Segments
from video_adapters.data.transform import TrainTransform

CONFIGS = Path(__file__).parents[1] / "configs" / "data"
NOISE = 6.0  # standard deviation of the camera's noise, in steps of 8 bits


@dataclass(frozen=True, kw_only=True)
class File:
    """A video like those of a data set."""

    data: str  # name under configs/data
    name: str  # of the file, which decides the container
    codec: str
    height: int
    width: int
    num_frames: int
    rate: int  # frames per second
    options: dict[str, str]  # of the encoder


FILES = [
    # one group of pictures, about 90 KB: the release is 220 847 videos in 19.4 GB
    File(
        data="ssv2", name="ssv2.webm", codec="libvpx-vp9", height=240, width=427, num_frames=45, rate=12,
        options={"b": "110k", "g": "999", "deadline": "good", "cpu-used": "5"},
    ),
    # the usual 340x256 copies, about 450 kbit/s, with x264's usual 3 B-frames
    File(
        data="k400", name="k400.mp4", codec="libx264", height=256, width=340, num_frames=300, rate=30,
        options={"b": "450k", "preset": "fast", "g": "250", "bf": "3"},
    ),
    # as data=moving_shapes renders them: every frame by itself, nearly without loss
    File(
        data="moving_shapes", name="shapes.mp4", codec="libx264", height=40, width=40, num_frames=17, rate=8,
        options={"preset": "veryfast", "g": "1", "bf": "0", "qp": "6"},
    ),
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Case:
    """One file, read by one rule."""

    file: File
    path: str
    rule: str
    sampling: Sampling
    transform: TrainTransform


@dataclass(frozen=True, kw_only=True)
class Times:
    """CPU milliseconds per clip."""

    reader: float  # VideoReader: open and read
    whole: float  # decoding from start to end, picking the same frames
    transform: float  # of the frames read


def main() -> None:
    """Measures what the command line asks for, and prints the table."""
    arguments = _arguments()
    torch.set_num_threads(1)  # as in a loader's worker
    with tempfile.TemporaryDirectory() as folder:
        cases = [
            case for file in FILES if file.data in arguments.data for case in _cases(file, folder, arguments.frames)
        ]
        rows = [(case, measure(case, arguments.repeats)) for case in cases]
        console = Console(width=None if sys.stdout.isatty() else 140)
        console.print(_table(rows))
    console.print(
        Text(f"{arguments.frames} frames a clip, medians of {arguments.repeats} clips, CPU time of one thread")
    )
    console.print(Text(_machine()))
    console.print(Text(f"command: python {shlex.join(sys.argv)}"), soft_wrap=True)


def measure(case: Case, repeats: int) -> Times:
    """Times of a case's three parts, each clip's frames drawn anew and read by both readers in turn."""
    found: dict[str, list[float]] = {"reader": [], "whole": [], "transform": []}
    for repeat in range(-1, repeats):  # the first is not counted: it loads libraries
        generator = np.random.default_rng([7, repeat + 1])
        indices = case.sampling.train(case.file.num_frames, generator)
        frames, reader = _timed(read_chosen, case.path, indices)
        sequential, whole = _timed(read_whole, case.path, indices)
        if not np.array_equal(frames, sequential):
            raise ValueError(f"{case.path}: the readers disagree about frames {indices}; see tests/data/test_decode.py")
        _, transform = _timed(case.transform, frames, 0, generator)
        if repeat >= 0:
            for name, seconds in (("reader", reader), ("whole", whole), ("transform", transform)):
                found[name].append(1000 * seconds)
    return Times(**{name: median(values) for name, values in found.items()})


def read_chosen(path: str, indices: Sequence[int]) -> np.ndarray:
    """The frames at `indices`, as the training reads them."""
    with VideoReader(path) as reader:
        return reader.read(indices)


def read_whole(path: str, indices: Sequence[int]) -> np.ndarray:
    """The frames at `indices`, every frame of the file decoded on the way; only those wanted become RGB."""
    wanted = set(indices)
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        decoded = enumerate(container.decode(stream))
        pictures = {place: frame.to_ndarray(format="rgb24") for place, frame in decoded if place in wanted}
    return np.stack([pictures[index] for index in indices])


def write(file: File, path: Path) -> None:
    """Encodes a soft texture that drifts and flickers a little, under a camera's noise."""
    generator = np.random.default_rng(0)
    coarse = generator.uniform(30, 220, (file.height // 16 + 2, (file.width + 2 * file.num_frames) // 16 + 2, 3))
    texture = np.kron(coarse, np.ones((16, 16, 1)))
    with av.open(str(path), "w") as container:
        stream = container.add_stream(file.codec, rate=file.rate, options=file.options)
        stream.height, stream.width, stream.pix_fmt = file.height, file.width, "yuv420p"
        for index in range(file.num_frames):
            view = texture[: file.height, 2 * index : 2 * index + file.width]
            noisy = view + generator.normal(0, NOISE, view.shape)
            picture = np.ascontiguousarray(noisy.clip(0, 255).astype(np.uint8))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def _cases(file: File, folder: str, num_frames: int) -> list[Case]:
    """The file under its data set's own rule and, where that is another, under segments."""
    path = Path(folder) / file.name
    write(file, path)
    config: Any = OmegaConf.load(CONFIGS / f"{file.data}.yaml")
    own = instantiate(config.sampling)(num_frames=num_frames)
    rules: dict[str, Sampling] = {type(own).__name__.lower(): own, "segments": Segments(num_frames=num_frames)}
    transform = instantiate(config.train_transform)(image_size=config.image_size)
    return [
        Case(file=file, path=str(path), rule=rule, sampling=sampling, transform=transform)
        for rule, sampling in rules.items()
    ]


def _timed(function: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """What the function returns, and the seconds of CPU time that it took."""
    start = time.process_time()
    result = function(*arguments)
    return result, time.process_time() - start


def _table(rows: Sequence[tuple[Case, Times]]) -> Table:
    table = Table(title="From file to training clip: CPU ms per clip", title_justify="left")
    for name in ("file", "frames"):
        table.add_column(name)
    for name in ("KiB", "reader", "whole file", "ratio", "transform", "reader's share", "clips/s and core"):
        table.add_column(name, justify="right")
    for case, times in rows:
        title = f"{case.file.data}: {case.file.num_frames} of {case.file.width}x{case.file.height}"
        size = os.path.getsize(case.path) / 1024
        total = times.reader + times.transform
        figures = [f"{size:.0f}", f"{times.reader:.1f}", f"{times.whole:.1f}", f"{times.whole / times.reader:.2f}"]
        figures += [f"{times.transform:.1f}", f"{times.reader / total:.0%}", f"{1000 / total:.0f}"]
        table.add_row(title, case.rule, *figures)
    return table


def _machine() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = f"PyAV {av.__version__}, torch {torch.__version__}, Python {platform.python_version()}"
    return f"{cores} cores ({platform.machine()}), {versions}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [file.data for file in FILES]
    parser.add_argument("--data", nargs="+", choices=names, default=names, metavar="NAME", help="of: %(choices)s")
    parser.add_argument("--repeats", type=_positive, default=20, help="clips per row (default %(default)s)")
    parser.add_argument("--frames", type=_positive, default=8, help="frames per clip (default %(default)s)")
    return parser.parse_args()


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is given, a number from 1 on is expected")
    return int(text)


if __name__ == "__main__":
    main()
