"""The embedded data set: small videos of moving shapes, rendered on first use.

Its twelve classes are six motions, each forwards and backwards. A video is drawn from its motion's law and, for the
second class of the pair, played in reverse: the frames of both classes have the same law as a set, so whoever ignores
their order cannot tell the two apart. In `val` and `test` every video is there both ways, file by file.

In a crowd, the second level, several shapes move at once and the red one decides: whoever sums up each frame first and
then looks at the order takes one shape's motion for another's. In pairs two shapes move, each by a class of its own,
and both are labels of the video.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from rich.console import Console
from rich.progress import track

from video_adapters.commands.atomic import put
from video_adapters.commands.lock import alone
from video_adapters.data.annotations import Annotations, Video, Videos
from video_adapters.data.annotations.annotations import SPLITS, check_split
from video_adapters.data.shapes.motions import MOTIONS, draw_pair, draw_video

log = logging.getLogger(__name__)

VERSION = 2  # raise it whenever the same settings render other videos
CLASS_NAMES = (
    "moving right", "moving left", "moving down", "moving up", "growing", "shrinking",
    "turning clockwise", "turning counter-clockwise", "approaching", "parting", "appearing", "vanishing",
)  # fmt: skip
"""Class c and class c ^ 1 are each other's reversal."""

PAIRS = tuple(combinations(range(len(CLASS_NAMES)), 2))
"""The classes of a video of two shapes, by its label."""


def write_video(path: Path, frames: np.ndarray, quantiser: int = 6) -> None:
    """Encode (T, H, W, 3) uint8 as h264 so that the frames, reversed, decode to the same frames, reversed.

    Every frame is coded by itself at one quantiser on one thread, with full colour resolution: at 6, decoded frames are
    off by less than one grey level on average.
    """
    options = {"qp": str(quantiser), "g": "1", "bf": "0", "threads": "1", "preset": "veryfast"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=8, options=options)
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv444p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode(None))


class _Job(NamedTuple):
    """A drawing and the files it goes to."""

    key: tuple[int, ...]  # of its random generator, after the seed
    draw: Callable[[np.random.Generator], np.ndarray]  # the frames, forwards
    forwards: Path | None
    backwards: Path | None


@dataclass(eq=False)
class MovingShapes(Annotations):
    """Videos `{root}/moving_shapes-{settings}/{split}/{class}/{number}.mp4`, the same ones for the same settings.

    In val and test, files of one number in the two classes of a pair are each other's exact reversal. Where two shapes
    move, the folder is called by both classes, and each class is in as many videos as any other.

    Raises:
        ValueError: a number of videos does not divide by the number of classes, a negative crowd, pairs that are also
            something else, or an imbalance below 1.
    """

    root: str  # folder of the rendered videos
    _: KW_ONLY
    num_train: int = 1440  # videos of each split
    num_val: int = 240
    num_test: int = 480
    image_size: int = 40  # of the square frames, in pixels
    noisy: bool = False  # as a hand-held camera in a dim room would film them, and compressed as usual
    crowd: int = 0  # blue shapes that move by motions of their own, behind the red one that decides the class
    pairs: bool = False  # two shapes, one red and one blue, that move by two classes: needs data.labels=multi
    imbalance: float = 1  # the first class trains on so many times as many videos as the last, those in between on a
    # geometric series of numbers (Cui et al. 2019); what is rendered, validated and tested stays as it is
    seed: int = 0  # of the drawings

    class_names = CLASS_NAMES

    def __post_init__(self) -> None:
        self.counts = dict(zip(SPLITS, (self.num_train, self.num_val, self.num_test), strict=True))
        for split, count in self.counts.items():
            if count < len(CLASS_NAMES) or count % len(CLASS_NAMES):
                raise ValueError(
                    f"num_{split}={count} moving shapes were asked for; give a multiple of {len(CLASS_NAMES)}, "
                    "so that every class gets as many"
                )
        if self.crowd < 0:
            raise ValueError(f"a crowd of {self.crowd} moving shapes was asked for, expected 0 or more")
        if not self.imbalance >= 1:
            raise ValueError(f"an imbalance of {self.imbalance} was asked for, expected 1 or more")
        if self.pairs and (self.noisy or self.crowd or self.imbalance != 1):
            raise ValueError("pairs of moving shapes are neither noisy nor in a crowd nor imbalanced")
        self.settings = {"version": VERSION, "image_size": self.image_size, "seed": self.seed, **self.counts}
        if self.noisy:
            self.settings["noisy"] = True
        if self.crowd:
            self.settings["crowd"] = self.crowd
        if self.pairs:
            self.settings["pairs"] = True
        digest = hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()[:8]
        self.folder = Path(self.root) / f"moving_shapes-{digest}"

    def prepare(self) -> None:
        """Render what is not there yet. Other processes that ask for the same wait, and then find it done."""
        if self.is_prepared():
            return
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with alone(self.folder.with_suffix(".lock"), wait=True):
            if self.is_prepared():
                return
            part = self.folder.with_suffix(".partial")
            try:
                self._render(part)
            except BaseException:  # a full disk among others
                shutil.rmtree(part, ignore_errors=True)
                raise

    def videos(self, split: str) -> Videos:
        """The videos of a split, class by class."""
        check_split(split)
        if not self.is_prepared():
            raise ValueError(f"the moving shapes in {self.folder} are missing or incomplete: call prepare() first")
        if self.pairs:
            files = ((self._file(self.folder, split, classes, number), classes) for number, classes in self._in(split))
            return Videos(Video(str(path), PAIRS.index(classes)) for path, classes in files)
        return Videos(
            Video(str(self._file(self.folder, split, (label,), number)), label)
            for label in range(len(CLASS_NAMES))
            for number in range(self._num_of(label, split))
        )

    @property
    def label_sets(self) -> np.ndarray | None:
        return np.eye(len(CLASS_NAMES), dtype=bool)[np.array(PAIRS)].any(1) if self.pairs else None

    def _num_of(self, label: int, split: str) -> int:
        """How many videos of a class there are, or train."""
        count = self.counts[split] // len(CLASS_NAMES)
        share = self.imbalance ** (-label / (len(CLASS_NAMES) - 1)) if split == "train" else 1
        return max(1, round(count * share))

    def _file(self, folder: Path, split: str, classes: tuple[int, ...], number: int) -> Path:
        return folder / split / " + ".join(CLASS_NAMES[label] for label in classes) / f"{number:04d}.mp4"

    def _in(self, split: str) -> Iterator[tuple[int, tuple[int, int]]]:
        """The number of each video of two shapes, and its classes; in val and test its reversal comes next."""
        num_classes, count = len(CLASS_NAMES), self.counts[split]
        for number in range(count if split == "train" else count // 2):
            first = number % num_classes if split == "train" else 2 * number % num_classes
            turn = number // num_classes if split == "train" else 2 * number // num_classes
            second = (first + 1 + turn % (num_classes - 1)) % num_classes
            yield number, (min(first, second), max(first, second))
            if split != "train":
                yield number + count // 2, (min(first ^ 1, second ^ 1), max(first ^ 1, second ^ 1))

    def is_prepared(self) -> bool:
        stamp = self.folder / "settings.json"
        if not stamp.is_file() or json.loads(stamp.read_text()) != self.settings:
            return False
        return sum(1 for _ in self.folder.glob("*/*/*.mp4")) == sum(self.counts.values())

    def _jobs(self, folder: Path) -> Iterator[_Job]:
        return self._jobs_of_pairs(folder) if self.pairs else self._jobs_of_one(folder)

    def _jobs_of_pairs(self, folder: Path) -> Iterator[_Job]:
        for index, split in enumerate(SPLITS):
            videos = [
                (number, classes, self._file(folder, split, classes, number)) for number, classes in self._in(split)
            ]
            step = 1 if split == "train" else 2
            for (number, classes, path), *reversal in zip(*(videos[i::step] for i in range(step)), strict=True):
                draw = partial(draw_pair, labels=classes, image_size=self.image_size)
                yield _Job((index, number), draw, path, reversal[0][2] if reversal else None)

    def _jobs_of_one(self, folder: Path) -> Iterator[_Job]:
        def draw(motion: int) -> Callable[[np.random.Generator], np.ndarray]:
            return partial(draw_video, motion=motion, image_size=self.image_size, noisy=self.noisy, crowd=self.crowd)

        for number in range(self.counts["train"] // len(CLASS_NAMES)):
            for label in range(len(CLASS_NAMES)):
                path = self._file(folder, "train", (label,), number)
                forwards, backwards = (None, path) if label % 2 else (path, None)
                yield _Job((0, number, label), draw(label // 2), forwards, backwards)
        for index, split in enumerate(("val", "test"), start=1):
            for number in range(self.counts[split] // len(CLASS_NAMES)):
                for motion in range(len(MOTIONS)):
                    forwards, backwards = (self._file(folder, split, (2 * motion + way,), number) for way in (0, 1))
                    yield _Job((index, number, motion), draw(motion), forwards, backwards)

    def _render(self, part: Path) -> None:
        """Render into a folder of another name, which gets its own when all is done."""
        for leftover in (part, self.folder):
            shutil.rmtree(leftover, ignore_errors=True)
        log.info("rendering %d videos of moving shapes into %s", sum(self.counts.values()), self.folder)
        console = Console(stderr=True)
        jobs = list(self._jobs(part))
        for job in track(jobs, "Rendering moving shapes", console=console, disable=not console.is_terminal):
            generator = np.random.default_rng([self.seed, *job.key])
            frames = job.draw(generator)
            quantiser = 23 if self.noisy else 6  # 23 is x264's own choice
            for path, way in ((job.forwards, 1), (job.backwards, -1)):
                if path is not None:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    write_video(path, frames[::way], quantiser)
        (part / "settings.json").write_text(json.dumps(self.settings))
        put(part, self.folder)
