"""Exports of labelling tools: which stretch of which video people gave which classes."""

import logging
import os
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np

from video_adapters.commands.wording import brief, counted
from video_adapters.data.annotations.annotations import SPLITS, Annotations, check_split
from video_adapters.data.annotations.files import missing, sorted_classes
from video_adapters.data.annotations.held_out import set_aside
from video_adapters.data.annotations.label_sets import Labels, distinct_sets, expect_labels, strata
from video_adapters.data.annotations.named_videos import NamedVideos
from video_adapters.data.annotations.videos import END, LAST, UNLABELLED, Video, Videos

MOST_BYTES = 2**30  # of an export; a million labels of 500 bytes are half of it
HOLDS = 0.5  # share of a stretch from which on a class that holds elsewhere holds there too

log = logging.getLogger(__name__)


class Mark(NamedTuple):
    """A stretch of a video, or all of it, and the classes that people gave it."""

    video: str  # as the tool calls it
    names: tuple[str, ...] = ()  # of classes; none where nobody has labelled it
    start: float = 0  # these three as of Video
    stop: float = END
    seconds: bool = False
    split: str = "train"


class _Labelled(NamedTuple):
    """Videos without labels, and what belongs to each."""

    videos: list[Video]
    names: list[frozenset[str]]
    splits: list[str]


@dataclass(eq=False)
class ToolExport(Annotations):
    """An export of a labelling tool. Its videos are found below `root` by their names, wherever the tool had them.

    What nobody has labelled is left out, and counted in the log. Where stretches overlap, a class holds in each of
    which it covers half or more; a stretch has then several classes, which `labels` has to allow. Where nothing is for
    validation, a share of what trains is set aside, all stretches of a file together.

    Raises:
        ValueError: for other `labels`.
    """

    root: str
    file: str  # relative to `root`
    val: str | None = None  # another export, of the videos for validation
    test: str | None = None  # and of those for the test
    labels: Labels = "one"
    val_share: float = 0.2
    whole_files: bool = True  # stretches of one file are on one side of the split; False: each by itself

    form: ClassVar[str]  # what is expected of a file, for messages

    def __post_init__(self) -> None:
        expect_labels(self.labels)

    @abstractmethod
    def marks(self, file: str) -> Iterator[Mark]:
        """What a file of the tool says, in its order; a ValueError where it is not of the tool."""

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        return sorted_classes(frozenset().union(*self._labelled.names))

    @property
    def label_sets(self) -> np.ndarray | None:
        return self._numbered[1]

    def has(self, split: str) -> bool:
        return split in self._splits

    @property
    def test_hint(self) -> str:
        return "for a test set of its own, give data.annotations.test=EXPORT"

    def videos(self, split: str) -> Videos:
        check_split(split)
        if not len(chosen := np.flatnonzero(self._splits == split)):
            raise ValueError(
                f"{self.file} has no video of the split '{split}', only of: {', '.join(sorted(set(self._splits)))}; of "
                "a class in one file none is set aside: add videos, or give data.annotations.whole_files=false"
            )
        labels, videos = self._numbered[0], self._labelled.videos
        return Videos(videos[i]._replace(label=int(labels[i])) for i in chosen)

    def groups(self, split: str) -> tuple[str, ...] | None:
        paths = [video.path for video in self._labelled.videos]
        if not self.whole_files or len(set(paths)) == len(paths):
            return None
        return tuple(paths[i] for i in np.flatnonzero(self._splits == split))

    @cached_property
    def _numbered(self) -> tuple[np.ndarray, np.ndarray | None]:
        """The label of each video, (N,), and where it may have several classes, those of each label, (K, C)."""
        number = {name: label for label, name in enumerate(self.class_names)}
        classes = [sorted(number[name] for name in names) for names in self._labelled.names]
        if self.labels == "multi":
            return distinct_sets(classes, len(number))
        return np.array([label for (label,) in classes], np.int64), None

    @cached_property
    def _splits(self) -> np.ndarray:
        """The split of each video, (N,)."""
        files = [video.path for video in self._labelled.videos]
        splits = np.array(self._labelled.splits)
        return set_aside(splits, strata(*self._numbered), self.val_share, None, files if self.whole_files else None)

    @cached_property
    def _labelled(self) -> _Labelled:
        """Every stretch that is labelled, once, with all of its classes."""
        found: dict[tuple[Video, str], set[str]] = {}
        for split, file in zip(SPLITS, (self.file, self.val, self.test), strict=True):
            if file is not None:
                for video, mark in self._located(file, split):
                    use = mark.split if split == "train" else split
                    found.setdefault((video, use), set()).update(mark.names)
        for split in SPLITS:
            own = [(video, names) for (video, of), names in found.items() if of == split]
            _unite([video for video, _ in own], [names for _, names in own])
        for video, split in found:
            if split != "train" and (video, "train") in found:
                named = f"{self.file}: {_described(video)}"
                raise ValueError(f"{named} is for training and for {split} too: leave it out of one")
        if self.labels == "one":
            for (video, _), names in found.items():
                if len(names) > 1:
                    raise ValueError(
                        f"{self.file}: {_described(video)} is labelled {_quoted(names)}: data.labels=multi trains with "
                        "several classes at once"
                    )
        videos, splits = zip(*found, strict=True)
        return _Labelled(list(videos), [frozenset(names) for names in found.values()], list(splits))

    def _located(self, name: str, split: str) -> list[tuple[Video, Mark]]:
        """The stretches of a file that are labelled and not empty; at least one."""
        file = os.path.join(self.root, name)
        if not os.path.isfile(file):
            key = "file" if split == "train" else split
            raise ValueError(f"data.annotations.{key}: the export {missing(file)}")
        if (size := os.path.getsize(file)) > MOST_BYTES:
            raise ValueError(f"{file} has {size} bytes, expected an export of at most {MOST_BYTES}: divide it")
        videos, paths, kept, left_out = NamedVideos(self.root), dict[str, str](), [], Counter[str]()
        for mark in self._parsed(file):
            mark = _checked(mark, file)
            if not mark.names:
                left_out["labelled by nobody"] += 1
            elif mark.stop != END and mark.stop <= mark.start:
                left_out["without length"] += 1
            else:
                path = paths.get(mark.video) or paths.setdefault(mark.video, videos.path(mark.video, file))
                kept.append((Video(path, UNLABELLED, mark.start, mark.stop, mark.seconds), mark))
        if not kept:
            raise ValueError(f"{file} holds no labelled video: {_reasons(left_out) or 'it is empty'}")
        if left_out:
            log.warning("%s: left out: %s", file, _reasons(left_out))
        return kept

    def _parsed(self, file: str) -> Iterator[Mark]:
        """The marks of a file; whatever is wrong there is a ValueError that names it."""
        try:
            yield from self.marks(file)
        except (LookupError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"{file} has not the form of {self.form}: {brief(repr(error))}") from error
        except ValueError as error:
            text = brief(str(error))
            raise ValueError(text if file in text else f"{file}: {text}") from error


def _reasons(left_out: Counter[str]) -> str:
    return ", ".join(f"{counted(count, 'stretch')} {reason}" for reason, count in left_out.items())


def _checked(mark: Mark, file: str) -> Mark:
    """The mark with the names of its classes stripped; a ValueError where one is no text, or no video is so long."""
    for name in mark.names:
        if not isinstance(name, str) or name.encode(errors="replace").decode() != name:
            raise ValueError(f"{file}: the class {brief(ascii(name))} is no text")
    if mark.start > LAST:
        raise ValueError(f"{file}: {mark.video!a} has a stretch that begins at {mark.start}, expected at most {LAST}")
    names = tuple(filter(None, (name.strip() for name in mark.names)))
    whole = (mark.start, mark.stop) == (0, END)
    return mark._replace(names=names, stop=min(mark.stop, LAST), seconds=mark.seconds and not whole)


def _quoted(names: set[str]) -> str:
    return " and ".join(f"'{name}'" for name in sorted(names))


def _described(video: Video) -> str:
    if (video.start, video.stop) == (0, END):
        return video.path
    end, unit = "its end" if video.stop == END else video.stop, " s" if video.seconds else ""
    return f"{video.path} from {'' if video.seconds else 'frame '}{video.start} to {end}{unit}"


def _unite(videos: Sequence[Video], names: Sequence[set[str]]) -> None:
    """Adds to the classes of each stretch those of its whole file, and those that hold in half of it or more."""
    of_file: dict[tuple[str, bool], list[int]] = {}
    of_all: dict[str, set[str]] = {}
    for i, video in enumerate(videos):
        if (video.start, video.stop) == (0, END):
            of_all.setdefault(video.path, set()).update(names[i])
        else:
            of_file.setdefault((video.path, video.seconds), []).append(i)
    for (path, _), members in of_file.items():
        for i in members:
            names[i].update(of_all.get(path, ()))
        spans = np.array([(videos[i].start, videos[i].stop) for i in members], float)
        spans[spans[:, 1] == END, 1] = LAST + 1  # past any end
        by_class: dict[str, list[int]] = {}
        for place, i in enumerate(members):
            for name in names[i]:
                by_class.setdefault(name, []).append(place)
        for name, places in by_class.items():
            for covered in np.flatnonzero(_covered(spans, spans[places]) >= HOLDS):
                names[members[covered]].add(name)


def _covered(spans: np.ndarray, by: np.ndarray) -> np.ndarray:
    """The share of each span, (N, 2), that lies in one or more of others, (M, 2): (N,)."""
    by = by[np.argsort(by[:, 0])]
    ends = np.maximum.accumulate(by[:, 1])
    first = np.flatnonzero(np.r_[True, by[1:, 0] > ends[:-1]])  # of each run of spans that touch
    runs = np.stack([by[first, 0], ends[np.r_[first[1:] - 1, len(by) - 1]]], 1)
    lengths = np.stack([np.zeros(len(runs)), runs[:, 1] - runs[:, 0]], 1).ravel().cumsum()
    upto = np.interp(spans, runs.ravel(), lengths)  # length covered before each start and stop
    return (upto[:, 1] - upto[:, 0]) / (spans[:, 1] - spans[:, 0])
