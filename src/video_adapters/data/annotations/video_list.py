"""Lists of videos in text files."""

import os
import re
from dataclasses import dataclass
from functools import cached_property

from video_adapters.data.annotations.annotations import SPLITS, Annotations, check_split
from video_adapters.data.annotations.files import consistent
from video_adapters.data.annotations.text import decoded, lines, located
from video_adapters.data.annotations.videos import END, Video, Videos

COLUMNS = ("path label", "path frames label", "path offset frames label")


@dataclass(eq=False)
class VideoList(Annotations):
    """Text files with a line for each video, as of mmaction2 and its relatives: `path label`.

    For folders of frames the lines are `path frames label`, or with an offset `path offset frames label`. Lines are
    split from the right, so a path may hold the delimiter.

    Raises:
        ValueError: for other columns.
    """

    root: str  # what paths, those of the files here too, are relative to
    train: str | None = None  # the list of each split; None where there is none
    val: str | None = None
    test: str | None = None
    classes: str | None = None  # a file with one class name per line; None leaves the classes without names
    columns: str = "path label"  # what stands in a line; an offset counts the frames of a folder that are left out
    delimiter: str | None = None  # between columns; None is any white space
    encoding: str | None = None  # of the lists and of `classes`; None: see `read_text`

    def __post_init__(self) -> None:
        if self.columns not in COLUMNS:
            raise ValueError(f"data.annotations.columns is '{self.columns}', expected one of: {'; '.join(COLUMNS)}")
        lists = zip(SPLITS, (self.train, self.val, self.test), strict=True)
        self.lists = {split: name for split, name in lists if name is not None}
        self._read: dict[str, Videos] = {}

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """The names in `classes`; none where no such file is given."""
        if self.classes is None:
            return ()
        file = os.path.join(self.root, self.classes)
        names = lines(file, self.encoding, key="data.annotations.classes")
        return tuple(decoded(line, f"{file}, line {number}") for number, line in names)

    @property
    def num_classes(self) -> int:
        """The number of names or, without any, what the highest label of all lists says."""
        labels = (int(self.videos(split).labels.max(initial=-1)) for split in self.lists)
        return len(self.class_names) or 1 + max(labels, default=-1)

    def has(self, split: str) -> bool:
        return split in self.lists

    @property
    def test_hint(self) -> str:
        return "for a test set of its own, give data.annotations.test=LIST"

    def videos(self, split: str) -> Videos:
        check_split(split)
        videos, names = self._videos(split), self.class_names
        if names and len(videos) and (highest := videos.labels.max()) >= len(names):
            raise ValueError(
                f"{self.lists[split]} has label {highest}, but {self.classes} names {len(names)} classes, "
                f"0 to {len(names) - 1}"
            )
        return videos

    def _videos(self, split: str) -> Videos:
        if split not in self.lists:
            raise ValueError(f"no list is given for '{split}', only for: {', '.join(self.lists) or 'none'}")
        if split not in self._read:
            file = os.path.join(self.root, self.lists[split])
            numbered = lines(file, self.encoding, key=f"data.annotations.{split}")
            self._read[split] = consistent((self._video(file, *line) for line in numbered), file)
        return self._read[split]

    def _video(self, file: str, number: int, line: str) -> Video:
        columns = self.columns.split()
        values = line.rsplit(self.delimiter, len(columns) - 1)
        counts = [value.strip() for value in values[1:]]
        if not re.fullmatch(rf"(\d+\n){{{len(columns) - 2}}}(\d+|-1)", "\n".join(counts)):
            raise ValueError(
                f"{file}, line {number}: '{line}' must be {self.columns}, with whole numbers of at least 0 "
                "after the path (a label may be -1, for none) and white space between, or data.annotations.delimiter"
            )
        path = located(self.root, values[0].strip(), f"{file}, line {number}")
        numbers = dict(zip(columns[1:], map(int, counts), strict=True))
        start = numbers.get("offset", 0)
        return Video(path, numbers["label"], start, start + numbers["frames"] if "frames" in numbers else END)
