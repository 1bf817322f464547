"""A table of videos in a text file with a header, as spreadsheets save it."""

import csv
import io
import os
import re
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from video_adapters.commands.spelling import did_you_mean
from video_adapters.data.annotations.annotations import SPLITS, Annotations, check_split
from video_adapters.data.annotations.files import in_order, missing
from video_adapters.data.annotations.held_out import held_out
from video_adapters.data.annotations.text import decoded, located, read_text
from video_adapters.data.annotations.videos import END, UNLABELLED, Video, Videos

PATHS = ("path", "file", "filename", "video")
LABELS = ("label", "class", "category", "action")
KNOWN = {*PATHS, *LABELS, "split", "start", "stop"}
NO_LABEL = str(UNLABELLED)
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
SPLIT_NAMES = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


class _Row(NamedTuple):
    video: Video
    split: str
    group: str


class VideoTable(Annotations):
    """One csv file with a line per video and a header that names its columns.

    Needed are a path (`path`, `file`, `filename` or `video`) and a class (`label`, `class`, `category` or `action`), by
    name or by number from 0, or -1 for none. Optional are `split` (train, val, test), `start` and `stop` (frames), and
    a group. Where no row is for "val", some that train are set aside for it (see `held_out`), by group if there is one.

    Args:
        root: what paths are relative to.
        file: the csv file, relative to `root`.
        group: the column that names what must not be on both sides of the split, such as a person; None: no groups.
        val_share: of the videos that train, set aside for validation where no row is for it.
        delimiter: between columns: a character, or one's name (tab); None: what divides the header into known columns.
        encoding: of the file; None: see `read_text`.

    Raises:
        ValueError: for a longer delimiter.
    """

    def __init__(
        self,
        root: str,
        file: str = "videos.csv",
        group: str | None = None,
        val_share: float = 0.2,
        delimiter: str | None = None,
        encoding: str | None = None,
    ) -> None:
        delimiter = DELIMITERS.get(delimiter or "", delimiter)
        if delimiter is not None and len(delimiter) != 1:
            raise ValueError(
                f"data.annotations.delimiter is '{delimiter}', expected one character, or one of: "
                f"{', '.join(DELIMITERS)}"
            )
        self.root = root
        self.file = os.path.join(root, file)
        self.group = group
        self.val_share = val_share
        self.delimiter = delimiter
        self.encoding = encoding

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes in alphabetical order, numbers as numbers; none where the file numbers them."""
        names = {row[self._label_column].strip() for row in self._content} - {NO_LABEL}
        return () if all(re.fullmatch("[0-9]+", name) for name in names) else in_order(names)

    @property
    def num_classes(self) -> int:
        """The number of names or, where the file numbers the classes, what its highest label says."""
        return len(self.class_names) or 1 + max(row.video.label for row in self._rows)

    def has(self, split: str) -> bool:
        return any(row.split == split for row in self._rows)

    @property
    def test_hint(self) -> str:
        return f"for a test set of its own, let rows of {self.file} say test in a column split"

    def videos(self, split: str) -> Videos:
        check_split(split)
        videos = Videos(row.video for row in self._rows if row.split == split)
        if not len(videos):
            there = sorted({row.split for row in self._rows})
            aside = "" if "split" in self._columns else "; of a class with one video none is set aside: add videos"
            raise ValueError(f"{self.file} has no video of the split '{split}', only of: {', '.join(there)}{aside}")
        return videos

    @cached_property
    def _rows(self) -> list[_Row]:
        if self.group is not None and self.group not in self._columns:
            near, columns = did_you_mean(self.group, self._columns), ", ".join(self._columns)
            raise ValueError(f"{self.file} has no column '{self.group}' for groups{near}, only: {columns}")
        labels = {name: label for label, name in enumerate(self.class_names)}
        videos = [self._video(number, row, labels) for number, row in enumerate(self._content, 2)]
        groups = [row[self.group] for row in self._content] if self.group else [""] * len(videos)
        splits = self._splits(np.array([video.label for video in videos]), groups)
        _check_once(videos, splits, self.file)
        return [_Row(*row) for row in zip(videos, splits, groups, strict=True)]

    def _video(self, number: int, row: dict[str, str], labels: dict[str, int]) -> Video:
        place = f"{self.file}, line {number}"
        path, label = row[self._path_column], decoded(row[self._label_column].strip(), place)
        if not path or not label:
            raise ValueError(f"{place}: it names no {'class' if path else 'video'}")
        try:
            start, stop = int(row.get("start") or 0), int(row.get("stop") or END)
        except ValueError as error:
            raise ValueError(f"{place}: start and stop must be frame numbers: {error}") from error
        if start < 0 or (stop != END and stop <= start):
            raise ValueError(f"{place}: there are no frames from {start} up to {stop}")
        named = labels and label != NO_LABEL
        return Video(located(self.root, path, place), labels[label] if named else int(label), start, stop)

    def _splits(self, labels: np.ndarray, groups: Sequence[str]) -> list[str]:
        splits = self._said() if "split" in self._columns else ["train"] * len(labels)
        if "val" not in splits:
            training = [i for i, split in enumerate(splits) if split == "train"]
            alike = [groups[i] for i in training] if self.group else None
            for i in np.array(training)[held_out(labels[training], self.val_share, alike)] if training else ():
                splits[i] = "val"
        return splits

    def _said(self) -> list[str]:
        """The split that each row says."""
        names = [row["split"].strip().lower() for row in self._content]
        if unknown := sorted(set(names) - SPLIT_NAMES.keys()):
            raise ValueError(f"{self.file} has the splits {unknown}, expected {', '.join(SPLITS)}")
        return [SPLIT_NAMES[name] for name in names]

    @cached_property
    def _content(self) -> list[dict[str, str]]:
        if not os.path.isfile(self.file):
            raise ValueError(f"the table {missing(self.file)}")
        text = read_text(self.file, self.encoding).lstrip("\r\n")
        header = next(iter(text.splitlines()), "")
        try:
            rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=self.delimiter or _delimiter(header)))
        except csv.Error as error:
            raise ValueError(f"{self.file} cannot be read as a table: {error}") from error
        if not rows:
            raise ValueError(f"{self.file} has no line below its header")
        if crooked := [number for number, row in enumerate(rows, 2) if None in row or None in row.values()]:
            raise ValueError(f"{self.file}, line {crooked[0]}: it has more or fewer columns than the header")
        return [{_column(name): value for name, value in row.items()} for row in rows]

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
                f"{self.file} must have one of the columns {', '.join(names)}; its header is "
                f"{', '.join(self._columns)} (data.annotations.delimiter is what stands between columns, such as tab)"
            )
        return found[0]


def _columns(header: str, delimiter: str) -> set[str]:
    return {_column(name) for name in next(csv.reader([header], delimiter=delimiter), [])}


def _column(name: str) -> str:
    """A column's name: blanks around it and, where we know the name, capitals make no difference."""
    name = name.strip()
    return name.lower() if name.lower() in KNOWN else name


def _delimiter(header: str) -> str:
    """What divides a header into a path, a class and maybe more."""
    divided = {delimiter: _columns(header, delimiter) for delimiter in DELIMITERS.values()}
    fits = (sign for sign, columns in divided.items() if columns & {*PATHS} and columns & {*LABELS})
    return next(fits, ",")


def _check_once(videos: Sequence[Video], splits: Sequence[str], file: str) -> None:
    """Refuses the same frames in two classes, and in training and elsewhere."""
    known: dict[tuple[str, int, int], tuple[int, bool]] = {}
    for number, (video, split) in enumerate(zip(videos, splits, strict=True), 2):
        told = video.label, split == "train"
        label, trained = known.setdefault((video.path, video.start, video.stop), told)
        if (label, trained) != told:
            other = "another class" if label != video.label else "the other side of the split"
            raise ValueError(f"{file}, line {number}: {video.path} stands further up too, in {other}")
