"""Something-Something v2."""

import difflib
import os
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from video_adapters.data.annotations.annotations import Annotations, check_split
from video_adapters.data.annotations.files import (
    consistent,
    first_file,
    listed,
    load_json,
    needed_file,
    needed_folder,
    parsed,
)
from video_adapters.data.annotations.text import lines
from video_adapters.data.annotations.videos import UNLABELLED, Video, Videos

SUFFIXES = (".webm", ".mp4")  # as distributed, and as many convert them
_PACKAGE = "20bn-something-something-download-package-labels"
FOLDERS = ("labels", "annotations", _PACKAGE, f"{_PACKAGE}/labels")  # of the json files


class SomethingSomethingV2(Annotations):
    """Something-Something v2 (Goyal et al. 2017), 174 classes, as unpacked from the official archives.

    The json files may have their new names (`train.json`) or the old ones (`something-something-v2-train.json`), and be
    in `root` or in the folder they were packed in. A class is a template, "Holding [something]", without its brackets.

    Args:
        root: the folder that the archives were unpacked in.
        videos: the folder of `<id>.webm`, or of mp4 files made of these, relative to `root`.
    """

    def __init__(self, root: str, videos: str = "20bn-something-something-v2") -> None:
        self.root = root
        self.video_folder = videos

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(self._labels)

    def videos(self, split: str) -> Videos:
        check_split(split)
        file = self._file({"train": "train", "val": "validation", "test": "test"}[split] + ".json")
        folder, suffix = self._folder_and_suffix()
        labels = self._test_labels() if split == "test" else {}

        def read(entry: Mapping[str, Any]) -> Video:
            label = labels.get(entry["id"], UNLABELLED) if split == "test" else self._label(entry["template"], file)
            return Video(os.path.join(folder, f"{entry['id']}{suffix}"), label)

        return consistent(parsed(load_json(file), read, file), file)

    @cached_property
    def _labels(self) -> dict[str, int]:
        return read_labels(self._file("labels.json"))

    def _test_labels(self) -> dict[str, int]:
        """Video ids to labels by test-answers.csv, which not every release has: `1420;Throwing something`."""
        file = first_file(self.root, FOLDERS, _names("test-answers.csv"))
        if file is None:
            return {}
        pairs = [line.partition(";") for _, line in lines(file)]
        return {video: self._label(template, file) for video, _, template in pairs}

    def _label(self, template: str, file: str) -> int:
        name = template.replace("[", "").replace("]", "")
        if name not in self._labels:
            nearest = difflib.get_close_matches(name, self._labels, 1, cutoff=0.0)[0]
            raise ValueError(f"{file}: '{template}' is not in {self._file('labels.json')}; the nearest is '{nearest}'")
        return self._labels[name]

    def _file(self, name: str) -> str:
        """Where an annotation file is, by its new or its old name."""
        return needed_file(self.root, FOLDERS, _names(name), "unpack the official label archive there")

    def _folder_and_suffix(self) -> tuple[str, str]:
        """The folder that holds webm (else mp4) files, and their suffix: the one named, the same once more inside
        itself, or the root."""
        name = self.video_folder
        folders = (name, os.path.join(name, os.path.basename(name)), "videos", "")
        remedy = f"unpack the official video archives in {self.root}, or name the folder by data.annotations.videos"
        folder = needed_folder(self.root, folders, _suffix, "no webm or mp4 file", remedy)
        return folder, _suffix(folder) or ""


def read_labels(file: str) -> dict[str, int]:
    """The class names of a `labels.json` ({"name": "0", ...}) to their labels, in the order of the labels."""
    labels = load_json(file)
    numbers = labels.values() if isinstance(labels, dict) else ()
    if not numbers or {*map(str, numbers)} != {str(i) for i in range(len(numbers))}:
        raise ValueError(f"{file} must give each class a label of its own, from 0 up without a gap")
    return {name: int(label) for name, label in sorted(labels.items(), key=lambda item: int(item[1]))}


def _names(name: str) -> tuple[str, str]:
    """The new and the old name of a label file."""
    return name, f"something-something-v2-{name}"


def _suffix(folder: str) -> str | None:
    """That of the videos in a folder."""
    names = listed(folder)
    return next((suffix for suffix in SUFFIXES if any(name.endswith(suffix) for name in names)), None)
