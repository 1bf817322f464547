"""Kinetics-400, -600 and -700."""

import csv
import os
from collections.abc import Container, Iterator
from functools import cached_property

from video_adapters.data.annotations.annotations import Annotations, check_split
from video_adapters.data.annotations.files import VIDEO_SUFFIXES, content, listed, needed_folder, parsed
from video_adapters.data.annotations.videos import UNLABELLED, Video, Videos

COLUMNS = ("label", "youtube_id", "time_start", "time_end")
NAMES = {"train": ("train",), "val": ("val", "validate", "validation"), "test": ("test",)}


class Kinetics(Annotations):
    """Kinetics (Kay et al. 2017, Carreira et al. 2019): the published csv files, and a clip of each line.

    A file is `<id>_<start>_<end>.mp4` with six digits for the seconds, in the folder of its split or in a class folder
    there, with spaces or underscores. The csv of a split is any `*train*.csv` (`*val*.csv`, ...) with the published
    columns, in `root` or in its folder `annotations`. A class's label is its place among the sorted names of the
    training csv. Many of the videos are gone from the net: what is missing is counted.

    Args:
        root: the folder with both.
        videos: folders to look for videos in, relative to `root`; `{split}` stands for train, val (validate) or test.
    """

    def __init__(
        self, root: str, videos: tuple[str, ...] = ("{split}", "videos_{split}", "{split}_256", "videos", "")
    ) -> None:
        self.root = root
        self.video_folders = videos

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        return tuple(sorted({row["label"] for row in self._rows("train")}))

    def videos(self, split: str) -> Videos:
        check_split(split)
        labels = {name: label for label, name in enumerate(self.class_names)}
        folder = self._video_folder(split)
        files = dict(_videos_below(folder))

        def read(row: dict[str, str]) -> Video:
            stem = f"{row['youtube_id']}_{int(row['time_start']):06d}_{int(row['time_end']):06d}"
            name = row.get("label") or ""
            if name and name not in labels:
                raise ValueError(f"{self._csv(split)}: the class '{name}' is not in {self._csv('train')}")
            return Video(files.get(stem, os.path.join(folder, f"{stem}.mp4")), labels.get(name, UNLABELLED))

        return Videos(parsed(self._rows(split), read, self._csv(split)))

    def _rows(self, split: str) -> Iterator[dict[str, str]]:
        file = self._csv(split)
        needed = COLUMNS[split == "test" :]
        with open(file, encoding="utf-8-sig", newline="") as opened:
            rows = csv.DictReader(opened)
            try:
                if lacking := [name for name in needed if name not in (rows.fieldnames or ())]:
                    raise ValueError(f"{file} lacks the columns {lacking}; its first line is {rows.fieldnames}")
                for row in rows:
                    if None in (row[name] for name in needed):
                        raise ValueError(f"{file}, line {rows.line_num}: it has fewer columns than the header")
                    yield row
            except (csv.Error, UnicodeError) as error:
                raise ValueError(f"{file} cannot be read as a table: {error}") from error

    def _csv(self, split: str) -> str:
        files = [
            os.path.join(folder, name)
            for folder in (self.root, os.path.join(self.root, "annotations"))
            for name in sorted(listed(folder))
            if name.endswith(".csv") and any(word in name for word in NAMES[split])
        ]
        if len(files) != 1:
            raise ValueError(
                f"one csv file of the split '{split}' is expected in {self.root} or its folder annotations, named like "
                f"{split}.csv; found: {', '.join(files) or 'none'}. {content(self.root)}"
            )
        return files[0]

    def _video_folder(self, split: str) -> str:
        """The first of the folders that are there and hold a video, or a class folder that does."""
        folders = [template.format(split=word) for template in self.video_folders for word in NAMES[split]]
        besides = {word for words in NAMES.values() for word in words}
        lacking = f"no video of the split '{split}'"
        return needed_folder(
            self.root, dict.fromkeys(folders), lambda folder: next(_videos_below(folder, besides), None), lacking
        )


def _videos_below(folder: str, besides: Container[str] = ()) -> Iterator[tuple[str, str]]:
    """Videos in a folder and in its subfolders (but for those named `besides`): name without suffix, path."""
    for name in sorted(listed(folder)):
        path = os.path.join(folder, name)
        if name.lower().endswith(VIDEO_SUFFIXES):
            yield os.path.splitext(name)[0], path
        elif name not in besides:
            for inner in sorted(listed(path)):
                if inner.lower().endswith(VIDEO_SUFFIXES):
                    yield os.path.splitext(inner)[0], os.path.join(path, inner)
