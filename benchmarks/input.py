"""CPU time from video file to batch, for our way and others: python benchmarks/input.py --help

Writes files like those of the data sets, and a prepared copy of each, then makes batches of clips from them by each way
in turn, in one process. Every frame of ours is compared with decoding the file from start to end.
"""

import argparse
import ctypes
import os
import platform
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import av
import numpy as np
import torch
from hydra.utils import instantiate
from input_files import FILES, File, write
from input_ways import Way, read_ours, read_sequentially, ways
from rich.console import Console
from rich.table import Table
from rich.text import Text

from video_adapters.data.clips.sample import Sampling
from video_adapters.preparation.encode_video import Settings, write_copy
from video_adapters.preparation.source import Source

CLIPS = 4  # per batch
KEPT = 1 << 25  # bytes; the most that glibc takes for M_MMAP_THRESHOLD
SAME = 3.0  # mean difference of a frame, in grey levels, that another conversion to RGB explains


@dataclass(frozen=True, kw_only=True)
class Row:
    """One way from one file, and its CPU milliseconds per clip, an entry per repeat."""

    file: Path
    way: Way
    read: list[float] = field(default_factory=list)
    augment: list[float] = field(default_factory=list)
    batch: list[float] = field(default_factory=list)

    @property
    def total(self) -> list[float]:
        return [sum(parts) for parts in zip(self.read, self.augment, self.batch, strict=True)]


def main() -> None:
    """Measures what the command line asks for, and prints a table for each data set."""
    arguments = _arguments()
    torch.set_num_threads(1)  # as in a loader's worker
    keep_memory()
    console = Console(width=None if sys.stdout.isatty() else 120)
    with tempfile.TemporaryDirectory() as folder:
        for file in [file for file in FILES if file.data in arguments.only]:
            rows, sampling = lay_out(file, Path(folder), arguments.frames, console)
            measure(rows, sampling, file.num_frames, arguments.repeats)
            console.print(table(rows, f"{file.data}: {file.num_frames} frames of {file.width}x{file.height}"))
    console.print(
        Text(f"{arguments.frames} frames a clip, {CLIPS} clips a batch, CPU time of one thread, {_machine()}")
    )
    console.print(Text(f"command: python {shlex.join(sys.argv)}"), soft_wrap=True)


def keep_memory() -> None:
    """Lets the C library keep what is freed, for all ways alike.

    Else it depends on what ran before whether a batch has to ask the system for its memory, which takes 2 ms a clip.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc's
    if mallopt is not None:
        mallopt(-3, KEPT)  # M_MMAP_THRESHOLD: larger blocks would go back to the system at once
        mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: what is free at the end of the heap may stay


def lay_out(file: File, folder: Path, num_frames: int, console: Console) -> tuple[list[Row], Sampling]:
    """Writes the files, and names the ways from them that this machine can go, by the data set's own configuration."""
    path, copy = folder / file.name, folder / f"{file.data}_prepared.mp4"
    write(file, path)
    write_copy(str(path), str(copy), Settings())
    config = Source(data=file.data, root=None, overrides=[]).config()
    ours, *others = ways(instantiate(config.train_transform)(image_size=config.image_size))
    rows = [Row(file=path, way=ours), Row(file=copy, way=ours)]
    for way in others:
        if obstacle := way.obstacle(str(path)):
            console.print(Text(f"{file.data}: {way.name} skipped: {obstacle}"))
        else:
            rows.append(Row(file=path, way=way))
    return rows, instantiate(config.sampling)(num_frames=num_frames)


def measure(rows: Sequence[Row], sampling: Sampling, num_frames: int, repeats: int) -> None:
    """Fills the rows, by turns; all ways get the same frames in each repeat.

    Raises:
        ValueError: a way reads other frames than sequential decoding does.
    """
    for path in {row.file for row in rows}:
        check_every_frame(str(path), num_frames)
    for repeat in range(-1, repeats):  # the first is not counted: it loads libraries
        draws = np.random.default_rng([7, repeat + 1])
        clips = [sampling.train(num_frames, draws) for _ in range(CLIPS)]
        for row in rows:
            torch.manual_seed(repeat + 1)  # the others draw their crops from it
            milliseconds = _run(row, clips, np.random.default_rng([8, repeat + 1]))
            for times, value in zip((row.read, row.augment, row.batch), milliseconds, strict=True):
                if repeat >= 0:
                    times.append(value)


def check_every_frame(path: str, num_frames: int) -> None:
    """Reads all frames at once and each third of them by itself; both have to be what sequential decoding gives.

    Raises:
        ValueError: they are not.
    """
    everything = list(range(num_frames))
    expected = read_sequentially(path, everything)
    for indices in [everything, everything[::16], *([index] for index in everything[::9])]:
        if not np.array_equal(read_ours(path, indices), expected[indices]):
            raise ValueError(f"{path}: frames {indices} differ from sequential decoding; see tests/data/test_decode.py")


def _run(row: Row, clips: Sequence[Sequence[int]], generator: np.random.Generator) -> list[float]:
    """One batch, frames to compare left out of the time -> CPU ms per clip of reading, augmenting and batching."""
    path = str(row.file)
    frames, read = _timed(lambda: [row.way.read(path, indices) for indices in clips])
    for indices, found in zip(clips, frames, strict=True):
        difference = np.abs(found.astype(int) - read_sequentially(path, indices)).mean((1, 2, 3)).max()
        if difference > SAME:
            raise ValueError(f"{path}: {row.way.name} returns other frames than {indices}: {difference:.1f} levels off")
    augmented, augment = _timed(lambda: [row.way.augment(clip, generator) for clip in frames])
    _, batch = _timed(lambda: row.way.batch(augmented))
    return [1000 * seconds / len(clips) for seconds in (read, augment, batch)]


def _timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """What the function returns, and the seconds of CPU time that it took."""
    start = time.process_time()
    result = function()
    return result, time.process_time() - start


def table(rows: Sequence[Row], title: str) -> Table:
    """Medians over the repeats; ratios are taken within each repeat, to the first way that is not ours."""
    found = Table(title=title, title_justify="left")
    found.add_column("way")
    for name in ("KiB", "decode", "augment", "batch", "ms/clip", "shares %", "clips/s", "ratio"):
        found.add_column(name, justify="right")
    rival = next((row for row in rows if row.way.needs), None)
    for row in rows:
        name = row.way.name + (", prepared copy" if row.file != rows[0].file else "") + (" (rival)" * (row is rival))
        parts = [median(times) for times in (row.read, row.augment, row.batch)]
        total = median(row.total)
        figures = [f"{os.path.getsize(row.file) / 1024:.0f}", *(f"{part:.1f}" for part in parts), f"{total:.1f}"]
        figures += [" / ".join(f"{100 * part / sum(parts):.0f}" for part in parts), f"{1000 / total:.0f}"]
        found.add_row(name, *figures, f"{_ratio(row, rival):.2f}" if rival else "")
    return found


def _ratio(row: Row, rival: Row) -> float:
    return median(ours / theirs for ours, theirs in zip(row.total, rival.total, strict=True))


def _machine() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = f"PyAV {av.__version__}, torch {torch.__version__}, Python {platform.python_version()}"
    return f"{cores} cores ({platform.machine()}), {versions}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [file.data for file in FILES]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help="of: %(choices)s")
    parser.add_argument("--repeats", type=_positive, default=15, help="batches per way (default %(default)s)")
    parser.add_argument("--frames", type=_positive, default=8, help="frames per clip (default %(default)s)")
    return parser.parse_args()


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is given, a number from 1 on is expected")
    return int(text)


if __name__ == "__main__":
    main()
