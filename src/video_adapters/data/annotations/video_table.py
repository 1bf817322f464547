"""A table of videos in a text file with a header, as spreadsheets save it."""

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from video_adapters.commands.wording import did_you_mean
from video_adapters.data.annotations.annotations import SPLITS, Annotations, check_split
from video_adapters.data.annotations.files import missing
from video_adapters.data.annotations.held_out import set_aside
from video_adapters.data.annotations.label_sets import Labels, expect_labels, strata
from video_adapters.data.annotations.row_classes import (
    RowClasses,
    numbered,
    of_columns,
    one_of_a_cell,
    several_of_a_cell,
)
from video_adapters.data.annotations.span_columns import SPAN_COLUMNS, check_span_columns, span_column, span_of
from video_adapters.data.annotations.text import located, read_text
from video_adapters.data.annotations.videos import UNLABELLED, Video, Videos

PATHS = ("path", "file", "filename", "video")
LABELS = ("label", "class", "category", "action")
KNOWN = {*PATHS, *LABELS, "split", *SPAN_COLUMNS}
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
SPLIT_NAMES = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


class _Row(NamedTuple):
    line: int  # of the file, from 1
    video: Video
    split: str
    group: str


@dataclass(eq=False)
class VideoTable(Annotations):
    """One csv file with a line per video and a header that names its columns.

    Needed are a path (`path`, `file`, `filename` or `video`) and a class (`label`, `class`, `category` or `action`), by
    name or by number from 0, or -1 for none. Where a video may have several (`labels` multi), a cell names them as
    `a|b`, and an empty one none, or each class has a column of 0 and 1. Optional are `split` (train, val, test),
    `start` and `stop` (frames), or `start_s` and `stop_s` (seconds; the names may end in `_sec` and `_seconds`, too),
    and a group. Where no row is for "val", some that train are set aside for it (see `held_out`): by group if there is
    one, or by file.

    Raises:
        ValueError: for a longer delimiter.
    """

    root: str  # what paths are relative to
    file: str = "videos.csv"  # relative to `root`
    group: str | None = None  # the column that names what must not be on both sides of the split, such as a person
    val_share: float = 0.2  # of the videos that train, set aside for validation where no row is for it
    whole_files: bool = False  # what is of one file is set aside together: configs say true, runs of before say nothing
    delimiter: str | None = None  # a character, or one's name (tab); None: what divides the header into known columns
    encoding: str | None = None  # of the file; None: see `read_text`
    labels: Labels = "one"  # classes of a video, see VideoData

    def __post_init__(self) -> None:
        expect_labels(self.labels)
        self.delimiter = DELIMITERS.get(self.delimiter or "", self.delimiter)
        if self.delimiter is not None and len(self.delimiter) != 1:
            raise ValueError(
                f"data.annotations.delimiter is '{self.delimiter}', expected one character, or one of: "
                f"{', '.join(DELIMITERS)}"
            )
        self.file = os.path.join(self.root, self.file)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes in alphabetical order, numbers as numbers, or in that of their columns; none where
        the file numbers them."""
        return self._classes.names

    @property
    def num_classes(self) -> int:
        """The number of names or, where the file numbers the classes, what its highest label says."""
        return self._classes.num_classes

    @property
    def label_sets(self) -> np.ndarray | None:
        return self._classes.label_sets

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

    def groups(self, split: str) -> tuple[str, ...] | None:
        groups = tuple(row.group for row in self._rows if row.split == split)
        return groups if any(groups) else None

    @cached_property
    def _rows(self) -> list[_Row]:
        if self.group is not None and self.group not in self._columns:
            near, columns = did_you_mean(self.group, self._columns), ", ".join(self._columns)
            raise ValueError(f"{self.file} has no column '{self.group}' for groups{near}, only: {columns}")
        lines, labels = self._content, self._classes.labels
        rows_with_labels = zip(lines.items(), labels, strict=True)
        videos = [self._video(f"{self.file}, line {line}", row, int(label)) for (line, row), label in rows_with_labels]
        splits = self._splits(strata(labels, self.label_sets))
        rows = [_Row(*row) for row in zip(lines, videos, splits, self._groups, strict=True)]
        _check_once(rows, self.file)
        return rows

    @cached_property
    def _classes(self) -> RowClasses:
        rows = {f"{self.file}, line {line}": row for line, row in self._content.items()}
        if self.labels == "multi" and not {*LABELS} & {*self._columns}:
            columns = [name for name in self._columns if name not in KNOWN and name != self.group]
            return numbered([of_columns(row, columns, where) for where, row in rows.items()], True, columns)
        named, column = one_of_a_cell if self.labels == "one" else several_of_a_cell, self._one_of(LABELS)
        return numbered([named(row[column], where) for where, row in rows.items()], self.labels == "multi")

    def _video(self, where: str, row: dict[str, str], label: int) -> Video:
        if not (path := row[self._one_of(PATHS)]):
            raise ValueError(f"{where}: it names no video")
        return Video(located(self.root, path, where), label, *span_of(row, where))

    @cached_property
    def _groups(self) -> list[str]:
        """The group of each row; without a column for it, its file where files have several rows, else blank."""
        if self.group is not None:
            return [row[self.group].strip() for row in self._content.values()]
        paths = [row[self._one_of(PATHS)] for row in self._content.values()]
        return paths if self.whole_files and len(set(paths)) < len(paths) else [""] * len(paths)

    def _splits(self, labels: np.ndarray) -> list[str]:
        """The split of each row: its own, or else training, of which some are set aside where none is for "val"."""
        names = [row.get("split", "train").strip().lower() for row in self._content.values()]
        if unknown := sorted(set(names) - SPLIT_NAMES.keys()):
            raise ValueError(f"{self.file} has the splits {unknown}, expected {', '.join(SPLITS)}")
        splits = np.array([SPLIT_NAMES[name] for name in names])
        groups, files = (self._groups, None) if self.group else (None, self._groups if any(self._groups) else None)
        return set_aside(splits, labels, self.val_share, groups, files).tolist()

    @cached_property
    def _content(self) -> dict[int, dict[str, str]]:
        """The rows by the numbers of their lines, each by the names of its columns; empty lines are passed over."""
        if not os.path.isfile(self.file):
            raise ValueError(f"data.annotations.file: the table {missing(self.file)}")
        text = read_text(self.file, self.encoding)
        first = next(filter(None, text.splitlines()), "")
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=self.delimiter or _delimiter(first))
        try:
            lines = dict((reader.line_num, values) for values in reader if values)
        except csv.Error as error:
            raise ValueError(f"{self.file} cannot be read as a table: {error}") from error
        if len(lines) < 2:
            raise ValueError(f"{self.file} has no line below its header")
        header = list(map(_column, lines.pop(min(lines))))
        check_span_columns(header, KNOWN, self.file)
        for number, values in lines.items():
            if len(values) != len(header):
                raise ValueError(f"{self.file}, line {number}: it has more or fewer columns than the header")
        return {number: dict(zip(header, values, strict=True)) for number, values in lines.items()}

    @property
    def _columns(self) -> list[str]:
        return list(next(iter(self._content.values())))

    def _one_of(self, names: Sequence[str]) -> str:
        columns = [name for name in names if name in self._columns]
        if len(columns) != 1:
            raise ValueError(
                f"{self.file} must have one of the columns {', '.join(names)}; its header is "
                f"{', '.join(self._columns)} (data.annotations.delimiter is what stands between columns, such as tab)"
            )
        return columns[0]


def _column(name: str) -> str:
    """A column's name: blanks around it and, where we know the name, capitals make no difference."""
    name = name.strip()
    return span_column(name) or (name.lower() if name.lower() in KNOWN else name)


def _delimiter(header: str) -> str:
    """What divides a header into a path, a class and maybe more."""
    for delimiter in DELIMITERS.values():
        columns = {_column(name) for name in next(csv.reader([header], delimiter=delimiter), [])}
        if columns & {*PATHS} and (columns & {*LABELS} or len(columns) > 1):
            return delimiter
    return ","


def _check_once(rows: Sequence[_Row], file: str) -> None:
    """Refuses the same frames in two classes, and in training and elsewhere."""
    uses: dict[Video, tuple[int, bool]] = {}
    for line, video, split, _ in rows:
        use = video.label, split == "train"
        if (first := uses.setdefault(video._replace(label=UNLABELLED), use)) != use:
            other = "another class" if first[0] != video.label else "the other side of the split"
            raise ValueError(f"{file}, line {line}: {video.path} stands further up too, in {other}")
