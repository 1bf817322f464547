"""A csv file with a header."""

import csv
import os
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from video_adapters.data.annotations.annotations import SPLITS, Annotations, check_split
from video_adapters.data.annotations.files import content
from video_adapters.data.annotations.held_out import held_out
from video_adapters.data.annotations.videos import END, Video, Videos

PATHS = ("path", "file", "filename", "video")
LABELS = ("label", "class", "category", "action")
SPLIT_NAMES = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


class _Row(NamedTuple):
    video: Video
    split: str
    group: str


class VideoTable(Annotations):
    """One csv file with a line per video and a header that names its columns.

    Needed are a path (`path`, `file`, `filename` or `video`) and a class (`label`, `class`, `category` or `action`), by
    name or by number from 0. Optional are `split` (train, val, test), `start` and `stop` (frames), and a group.
    Without a `split`, videos are set aside for validation (see `held_out`), by group where there is one.

    Args:
        root: what paths are relative to.
        file: the csv file, relative to `root`.
        group: the column that names what must not be on both sides of the split, such as a person; None: no groups.
        val_share: of the videos, set aside for validation where no column says the split.
        delimiter: between columns.
    """

    def __init__(
        self,
        root: str,
        file: str = "videos.csv",
        group: str | None = None,
        val_share: float = 0.2,
        delimiter: str = ",",
    ) -> None:
        self.root = root
        self.file = os.path.join(root, file)
        self.group = group
        self.val_share = val_share
        self.delimiter = delimiter

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes in alphabetical order; none where the file numbers them."""
        names = {row[self._label_column].strip() for row in self._content}
        return () if all(name.isdigit() for name in names) else tuple(sorted(names))

    def videos(self, split: str) -> Videos:
        check_split(split)
        videos = Videos(row.video for row in self._rows if row.split == split)
        if not len(videos):
            there = sorted({row.split for row in self._rows})
            raise ValueError(f"{self.file} has no video of the split '{split}', only of: {', '.join(there)}")
        return videos

    @cached_property
    def _rows(self) -> list[_Row]:
        if self.group is not None and self.group not in self._columns:
            raise ValueError(f"{self.file} has no column '{self.group}' for groups, only: {', '.join(self._columns)}")
        labels = {name: label for label, name in enumerate(self.class_names)}
        videos = [self._video(number, row, labels) for number, row in enumerate(self._content, 2)]
        groups = [row[self.group] for row in self._content] if self.group else [""] * len(videos)
        splits = self._splits(np.array([video.label for video in videos]), groups)
        _check_once(videos, splits, self.file)
        return [_Row(*row) for row in zip(videos, splits, groups, strict=True)]

    def _video(self, number: int, row: dict[str, str], labels: dict[str, int]) -> Video:
        path, label = row[self._path_column], row[self._label_column].strip()
        if not path or not label:
            raise ValueError(f"{self.file}, line {number}: it names no {'class' if path else 'video'}")
        try:
            start, stop = int(row.get("start") or 0), int(row.get("stop") or END)
        except ValueError as error:
            raise ValueError(f"{self.file}, line {number}: start and stop must be frame numbers: {error}") from error
        if start < 0 or (stop != END and stop <= start):
            raise ValueError(f"{self.file}, line {number}: there are no frames from {start} up to {stop}")
        return Video(os.path.join(self.root, path), labels[label] if labels else int(label), start, stop)

    def _splits(self, labels: np.ndarray, groups: Sequence[str]) -> list[str]:
        if "split" not in self._columns:
            aside = held_out(labels, self.val_share, groups if self.group else None)
            return ["val" if one else "train" for one in aside]
        names = [row["split"].strip().lower() for row in self._content]
        if unknown := sorted(set(names) - SPLIT_NAMES.keys()):
            raise ValueError(f"{self.file} has the splits {unknown}, expected {', '.join(SPLITS)}")
        return [SPLIT_NAMES[name] for name in names]

    @cached_property
    def _content(self) -> list[dict[str, str]]:
        if not os.path.isfile(self.file):
            raise ValueError(f"the table {self.file} is missing. {content(os.path.dirname(self.file))}")
        with open(self.file, encoding="utf-8-sig", errors="surrogateescape", newline="") as opened:
            rows = list(csv.DictReader(opened, delimiter=self.delimiter))
        if not rows:
            raise ValueError(f"{self.file} has no line below its header")
        if crooked := [number for number, row in enumerate(rows, 2) if None in row or None in row.values()]:
            raise ValueError(f"{self.file}, line {crooked[0]}: it has more or fewer columns than the header")
        return rows

    @property
    def _columns(self) -> list[str]:
        return list(self._content[0])

    @property
    def _path_column(self) -> str:
        return self._one_of(PATHS)

    @property
    def _label_column(self) -> str:
        return self._one_of(LABELS)

    def _one_of(self, names: Sequence[str]) -> str:
        found = [name for name in names if name in self._columns]
        if len(found) != 1:
            raise ValueError(
                f"{self.file} must have one of the columns {', '.join(names)}; its header is {', '.join(self._columns)}"
            )
        return found[0]


def _check_once(videos: Sequence[Video], splits: Sequence[str], file: str) -> None:
    """Refuses the same frames in two classes, and in training and elsewhere."""
    known: dict[tuple[str, int, int], tuple[int, bool]] = {}
    for number, (video, split) in enumerate(zip(videos, splits, strict=True), 2):
        told = video.label, split == "train"
        label, trained = known.setdefault((video.path, video.start, video.stop), told)
        if (label, trained) != told:
            other = "another class" if label != video.label else "the other side of the split"
            raise ValueError(f"{file}, line {number}: {video.path} stands further up too, in {other}")
