"""Lists of videos in text files."""

import os
import re
from functools import cached_property

from video_adapters.data.annotations.annotations import SPLITS, Annotations, check_split
from video_adapters.data.annotations.files import consistent
from video_adapters.data.annotations.text import decoded, lines, located
from video_adapters.data.annotations.videos import END, Video, Videos

COLUMNS = ("path label", "path frames label", "path offset frames label")


class VideoList(Annotations):
    """Text files with a line for each video, as of mmaction2 and its relatives: `path label`.

    For folders of frames the lines are `path frames label`, or with an offset `path offset frames label`. Lines are
    split from the right, so a path may hold the delimiter.

    Args:
        root: what paths, those of the files here too, are relative to.
        train, val, test: the list of each split; None where there is none.
        classes: a file with one class name per line; None leaves the classes without names.
        columns: what stands in a line: "path label", "path frames label" or "path offset frames label". An offset
            counts the frames of the folder that are left out.
        delimiter: between columns; None is any white space.
        encoding: of the lists and of `classes`; None: see `read_text`.

    Raises:
        ValueError: for other columns.
    """

    def __init__(
        self,
        root: str,
        train: str | None = None,
        val: str | None = None,
        test: str | None = None,
        classes: str | None = None,
        columns: str = "path label",
        delimiter: str | None = None,
        encoding: str | None = None,
    ) -> None:
        if columns not in COLUMNS:
            raise ValueError(f"data.annotations.columns is '{columns}', expected one of: {'; '.join(COLUMNS)}")
        self.root = root
        self.columns = columns.split()
        self.delimiter = delimiter
        self.encoding = encoding
        self.lists = {split: name for split, name in zip(SPLITS, (train, val, test), strict=True) if name is not None}
        self.classes = classes
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
        values = line.rsplit(self.delimiter, len(self.columns) - 1)
        counts = [value.strip() for value in values[1:]]
        if not re.fullmatch(rf"(\d+\n){{{len(self.columns) - 2}}}(\d+|-1)", "\n".join(counts)):
            raise ValueError(
                f"{file}, line {number}: '{line}' must be {' '.join(self.columns)}, with whole numbers of at least 0 "
                "after the path (a label may be -1, for none) and white space between, or data.annotations.delimiter"
            )
        path = located(self.root, values[0].strip(), f"{file}, line {number}")
        numbers = dict(zip(self.columns[1:], map(int, counts), strict=True))
        start = numbers.get("offset", 0)
        return Video(path, numbers["label"], start, start + numbers["frames"] if "frames" in numbers else END)
