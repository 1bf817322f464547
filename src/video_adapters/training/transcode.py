"""Makes a copy of a data set that decodes fast, for training."""

import csv
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from hydra.utils import instantiate
from omegaconf import DictConfig

from video_adapters.data.annotations import Annotations
from video_adapters.data.annotations.prepared import MARKER, copied_name, in_copy, mark, settings_of
from video_adapters.data.decode import DecodeError, VideoReader
from video_adapters.data.frame_folder import IMAGE_SUFFIXES
from video_adapters.data.report import in_report
from video_adapters.data.sample import Sampling
from video_adapters.data.transcode import PART, Settings, is_done
from video_adapters.data.transcode import transcode as write_copy
from video_adapters.data.workers import Failure
from video_adapters.training.prepare import (
    Listed,
    Source,
    alone,
    annotations_of,
    cores,
    listed,
    splits_of,
    stoppable,
    worked_on,
)
from video_adapters.training.progress import summary

SAMPLE = 8  # videos that the prediction rests on
CLIPS = 3  # read of each of them, to compare the speed
LABEL_SUFFIXES = (".json", ".csv", ".tsv", ".txt", ".list", ".lst")
LEFT_OUT = "left_out.csv"


@dataclass(frozen=True, kw_only=True)
class Transcode:
    """What the command line asks for."""

    source: Source
    to: Path
    short_side: int | None = 256
    crf: int = 20
    gop: int = 12
    workers: int | None = None  # processes; None: as many as cores
    sample_only: bool = False  # stops after the prediction


class Copy(NamedTuple):
    """One video, from where to where."""

    source: str
    target: str


def transcode(asked: Transcode) -> None:
    """Predicts cost and gain from a sample, then makes the copy or goes on with it.

    Raises:
        ValueError: the folder is none to write to, or the data set is not as its config says.
    """
    settings = Settings(short_side=asked.short_side, crf=asked.crf, gop=asked.gop)
    cfg = asked.source.config()
    annotations = annotations_of(cfg)
    _check_apart(cfg.root, asked.to)
    videos = listed(annotations, cfg.root, splits_of(cfg))
    copies, left_out = _plan(videos, cfg.root, asked.to.absolute())
    _predict(copies, settings, cfg, asked.workers)
    if asked.sample_only:
        return
    with alone(asked.to / ".lock"), stoppable("the same command goes on where it stopped"):
        _make_ready(cfg.root, asked.to, settings, copies)
        for copy, result in worked_on("transcoding", partial(_transcode, settings), copies, asked.workers):
            if isinstance(result, Failure) or result is not None:
                left_out[copy.source] = result.reason if isinstance(result, Failure) else result
    _report(asked, cfg, annotations, left_out)


def _check_apart(root: str, to: Path) -> None:
    """Refuses a copy among the originals, or the other way round."""
    source, target = Path(root).resolve(), to.resolve()
    if source == target or source in target.parents or target in source.parents:
        raise ValueError(f"--to {to} must be a folder apart from the data set, which is in {root}")


def _plan(videos: Sequence[Listed], root: str, to: Path) -> tuple[list[Copy], dict[str, str]]:
    """What is to be copied where, and the videos of which there will be no copy, with the reason."""
    copies: dict[str, Copy] = {}
    left_out = {}
    for path in (one.video.path for one in videos):
        inside = in_report(path, root)
        target = str(to / copied_name(inside))
        if os.path.isabs(inside):
            raise ValueError(f"{path} is not in {root}: only videos below data.root can be copied")
        if target in copies:
            raise ValueError(f"{copies[target].source} and {path} would both become {target}: rename one of them")
        if os.path.isdir(path):
            left_out[path] = "is a folder of frames, of which no copy is made"
        elif not os.path.lexists(path):
            left_out[path] = "is missing"
        else:
            copies[target] = Copy(path, target)
    if not copies:
        raise ValueError(f"none of the {len(videos)} videos can be copied: {next(iter(left_out.items()))}")
    return list(copies.values()), left_out


def _transcode(settings: Settings, copy: Copy) -> str | None:
    """Makes one copy, unless it is there; returns why it could not be made."""
    if is_done(copy.source, copy.target):
        return None
    try:
        write_copy(copy.source, copy.target, settings)
    except DecodeError as error:
        return error.reason
    return None


class _Measured(NamedTuple):
    """What the copy of one video costs and gains."""

    size: int  # bytes of the original
    copied_size: int
    seconds: float  # of one core, to make it
    read: float  # seconds for a training clip of the original
    copied_read: float


def _predict(copies: Sequence[Copy], settings: Settings, cfg: DictConfig, workers: int | None) -> None:
    """Copies a few videos elsewhere, and says what all of them will cost and gain."""
    sample = [copies[int(i)] for i in np.unique(np.linspace(0, len(copies) - 1, SAMPLE).round())]
    sampling: Sampling = instantiate(cfg.sampling)(num_frames=cfg.num_frames)
    with tempfile.TemporaryDirectory() as folder:
        elsewhere = [Copy(copy.source, f"{folder}/{number}.mp4") for number, copy in enumerate(sample)]
        results = [
            result for _, result in worked_on("sample", partial(_measure, settings, sampling), elsewhere, workers)
        ]
    measured = [result for result in results if not isinstance(result, Failure)]
    if not measured:
        raise ValueError(f"none of {len(sample)} videos could be copied, such as {sample[0].source}: {results[0]}")
    mean = _Measured(*np.mean(measured, axis=0))
    total = sum(os.path.getsize(copy.source) for copy in copies if os.path.isfile(copy.source))
    broken = f", {len(sample) - len(measured)} more cannot be read" if len(sample) > len(measured) else ""
    rows = {
        "sample": f"{len(measured)} of {len(copies)} videos{broken}",
        "disk": f"{_bytes(total * mean.copied_size / mean.size)} beside the originals' {_bytes(total)}",
        "reading a clip": f"{1000 * mean.copied_read:.1f} ms instead of {1000 * mean.read:.1f}: "
        f"{mean.read / mean.copied_read:.1f} times as fast",
        "takes": f"about {mean.seconds * len(copies) / cores(workers) / 60:.0f} min on {cores(workers)} cores",
    }  # fmt: skip
    summary("predicted from a sample", rows)


def _measure(settings: Settings, sampling: Sampling, copy: Copy) -> _Measured:
    start = time.process_time()
    write_copy(copy.source, copy.target, settings)
    seconds = time.process_time() - start
    reads = [_reading(path, sampling) for path in (copy.source, copy.target)]
    return _Measured(os.path.getsize(copy.source), os.path.getsize(copy.target), seconds, *reads)


def _reading(path: str, sampling: Sampling) -> float:
    """Seconds of one core that a training clip takes, from file to frames."""
    generator = np.random.default_rng(0)
    start = time.process_time()
    for _ in range(CLIPS):
        with VideoReader(path) as video:
            video.read(sampling.train(video.num_frames, generator))
    return (time.process_time() - start) / CLIPS


def _make_ready(root: str, to: Path, settings: Settings, copies: Sequence[Copy]) -> None:
    """Label files and folders; refuses a folder that holds something else, or a copy made in another way."""
    made = settings_of(str(to))
    if made is None and (there := sorted(set(os.listdir(to)) - {".lock"})):
        raise ValueError(f"{to} holds {', '.join(there[:5])} and is no copy that was begun: choose an empty folder")
    if made is not None and made != asdict(settings):
        raise ValueError(f"{to} was made with {made}, now asked for is {asdict(settings)}: choose another folder")
    for folder in {os.path.dirname(copy.target) for copy in copies}:
        os.makedirs(folder, exist_ok=True)
        if to.resolve() not in (resolved := Path(folder).resolve()).parents and resolved != to.resolve():
            raise ValueError(f"{folder} leads out of {to}, to {resolved}: remove that link")
        for name in os.listdir(folder):
            if name.startswith(".") and name.endswith(PART):  # of a process that was killed; its lock is ours now
                os.unlink(os.path.join(folder, name))
    for file in _label_files(root):
        target = to / os.path.relpath(file, root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    mark(str(to), asdict(settings))


def _label_files(root: str) -> Iterator[str]:
    """Text below the root, outside of folders of frames."""
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if any(name.lower().endswith(IMAGE_SUFFIXES) for name in names):
            continue
        yield from (
            os.path.join(folder, name) for name in names if name.lower().endswith(LABEL_SUFFIXES) and name != MARKER
        )


def _report(asked: Transcode, cfg: DictConfig, annotations: Annotations, left_out: Mapping[str, str]) -> None:
    """Says what was made, after reading the copy as training will."""
    if left_out:
        with (asked.to / LEFT_OUT).open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            csv.writer(file).writerows([("path", "reason"), *left_out.items()])
    copy: Annotations = instantiate(cfg.annotations, _convert_="all")(root=str(asked.to))
    rows = {}
    for split in splits_of(cfg):
        wanted = {copied_name(in_report(video.path, cfg.root)) for video in annotations.videos(split)}
        videos = in_copy(str(asked.to), copy.videos(split))
        found = {in_report(video.path, str(asked.to)) for video in videos}
        there = sum(os.path.isfile(asked.to / name) for name in found & wanted)
        rows[split] = f"{there} of {len(wanted)} videos"
        if moved := len(found - wanted):
            rows[split] += f"; {moved} are of another split in the originals: what is left out shifts who is set aside"
    if left_out:
        rows["left out"] = f"{len(left_out)}, listed in {asked.to / LEFT_OUT}"
    rows["train on it by"] = f"data={asked.source.data} data.root={asked.to.absolute()}"
    summary(str(asked.to), rows)


def _bytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
