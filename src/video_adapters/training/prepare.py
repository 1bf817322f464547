"""What the two commands of src/prepare.py share: which videos there are, and work on them in many processes."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

from hydra.utils import instantiate
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from video_adapters.commands.config import compose_config
from video_adapters.commands.grammar import written
from video_adapters.commands.terminal import QUIET_SECONDS, interactive
from video_adapters.commands.workers import Failure, cores, spread
from video_adapters.data.annotations import Annotations, Video
from video_adapters.data.annotations.prepared import in_copy
from video_adapters.data.inspection import size_of

MOST_SECONDS = 600  # for any video, however small
# More for larger ones. A core copies about 60 frames of 1080p a second. At 1 Mbit/s and 30 frames/s, a low rate for
# that size, a frame is 4 kB: 240 frames or 4 s to the MB. Still pictures, at a tenth of that rate, take 40 s.
SECONDS_PER_BYTE = 60e-6
SECONDS_PER_IMAGE = 1.0  # of a folder of frames; a 60th of it will do for 1080p


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set on disk, named as in configs/data."""

    data: str
    root: Path | None  # None: the config's own
    overrides: Sequence[str]  # KEY=VALUE, as of src/train.py

    def config(self) -> DictConfig:
        """The composed data config."""
        root = [] if self.root is None else [f"data.root={written(str(self.root))}"]
        recipe = [] if any(word.startswith("experiment=") for word in self.overrides) else ["~experiment"]
        words = [*recipe, f"data={self.data}", *root, *self.overrides, "name=prepare", "run_dir=."]
        return compose_config("train", words).data


class Listed(NamedTuple):
    """A video file or frame folder, once, however many annotations name it."""

    video: Video
    splits: str  # those that name it, joined by a blank

    @property
    def source(self) -> str:
        return self.video.path


class HasSource(Protocol):
    """What is to be done with one video."""

    @property
    def source(self) -> str:
        """A file, or a folder of frames."""


Job = TypeVar("Job", bound=HasSource)
Result = TypeVar("Result")


def annotations_of(cfg: DictConfig) -> Annotations:
    """The reader of the data set's own files."""
    annotations: Annotations = instantiate(cfg.annotations, _convert_="all")(root=os.path.expanduser(cfg.root))
    annotations.prepare()
    return annotations


def splits_of(cfg: DictConfig, annotations: Annotations) -> list[str]:
    """The annotation's splits that training, validation and test use."""
    test = cfg.test_split or ("test" if annotations.has("test") else cfg.val_split)
    return list(dict.fromkeys([cfg.train_split, cfg.val_split, test]))


def listed(annotations: Annotations, root: str, splits: Sequence[str]) -> list[Listed]:
    """Every file or folder that a split names, with the first frame that any annotation wants of it."""
    found: dict[str, Listed] = {}
    for split in splits:
        for video in in_copy(root, annotations.videos(split)):
            known = found.get(video.path)
            named = [] if known is None else known.splits.split()
            first = video if known is None or video.start < known.video.start else known.video
            found[video.path] = Listed(first, " ".join(dict.fromkeys([*named, split])))
    return list(found.values())


def most_seconds(job: HasSource) -> float:
    """How long one process may work on a video before it counts as hanging."""
    share = SECONDS_PER_IMAGE if os.path.isdir(job.source) else SECONDS_PER_BYTE
    return MOST_SECONDS + share * (size_of(job.source) or 0)


def worked_on(
    title: str, work: Callable[[Job], Result], jobs: Sequence[Job], num_workers: int | None
) -> Iterator[tuple[Job, Result | Failure]]:
    """Does the work on all cores, or in so many processes, and shows how far it is and when it will be done: a bar,
    or where nobody watches, a line a minute. What takes longer than `most_seconds` is a Failure."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left:"),
        TimeRemainingColumn(),
    )  # fmt: skip
    start = said = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), disable=not interactive()) as progress:
        ends = progress.track(spread(work, jobs, cores(num_workers), most_seconds), len(jobs), description=title)
        for done, end in enumerate(ends, 1):
            yield end
            if not interactive() and (now := time.monotonic()) - said > QUIET_SECONDS:
                said, left = now, (now - start) / done * (len(jobs) - done)
                print(f"{title} {done}/{len(jobs)}, {left / 60:.0f} min left", flush=True)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Holds a file's lock, so that two commands do not write the same thing.

    Raises:
        ValueError: another one holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ValueError(f"{path} is in use: another src/prepare.py writes there; wait for it, or end it") from None
        yield
