"""Each data set's own label files to one list of videos."""

import difflib
import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple, overload

import numpy as np

SPLITS = ("train", "val", "test")
UNLABELLED = -1
_SUFFIXES = (".mp4", ".webm", ".avi", ".mkv", ".mov", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".ts")


class Video(NamedTuple):
    """A video file and its class."""

    path: str
    label: int  # index into the data set's class names, or UNLABELLED


class Videos(Sequence[Video]):
    """An immutable list of videos, of which half a million cost workers neither time nor memory.

    Paths lie end to end in one byte string: of a list of strings each forked worker would end up with a copy, merely by
    counting references.

    Attributes:
        labels: (N,) int64.
    """

    def __init__(self, videos: Iterable[Video]) -> None:
        paths, labels = [], []
        for path, label in videos:
            paths.append(os.fsencode(path))
            labels.append(label)
        self._paths = b"".join(paths)
        self._bounds = np.array(list(accumulate(map(len, paths), initial=0)), np.int64)
        self.labels = np.array(labels, np.int64)

    def __len__(self) -> int:
        return len(self.labels)

    @overload
    def __getitem__(self, index: int) -> Video: ...
    @overload
    def __getitem__(self, index: slice) -> "Videos": ...
    def __getitem__(self, index: int | slice) -> "Video | Videos":
        if isinstance(index, slice):
            return self.select(range(len(self))[index])
        place = range(len(self))[index]
        path = self._paths[self._bounds[place] : self._bounds[place + 1]]
        return Video(os.fsdecode(path), int(self.labels[place]))

    def select(self, indices: Iterable[int]) -> "Videos":
        """The videos at `indices`, in that order."""
        return Videos(self[index] for index in indices)


class Annotations(ABC):
    """A data set as its publishers distribute it. Nothing is read before it is asked for."""

    @property
    @abstractmethod
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, by label."""

    @abstractmethod
    def videos(self, split: str) -> Videos:
        """The videos of "train", "val" or "test".

        Raises:
            ValueError: no such split, or its files are missing or contradict each other.
        """

    def prepare(self) -> None:  # noqa: B027  (most data sets have nothing to do)
        """Makes what must be made before anything is read; called once per machine."""

    def missing(self, videos: Videos) -> list[str]:
        """Those of the videos' paths where nothing is, in order; each folder is listed once.

        Raises:
            ValueError: all are missing.
        """
        folders: dict[str, set[str]] = {}
        absent = []
        for path, _ in videos:
            folder, name = os.path.split(path)
            if folder not in folders:
                folders[folder] = set(_listed(folder))
            if name not in folders[folder]:
                absent.append(path)
        if absent and len(absent) == len(videos):
            where = ", ".join(sorted(folders)[:3]) + (", ..." if len(folders) > 3 else "")
            raise ValueError(
                f"none of the {len(videos)} videos is there: looked in {where} for {absent[0]} and its like"
            )
        return absent


class SomethingSomethingV2(Annotations):
    """Something-Something v2 (Goyal et al. 2017), 174 classes, as unpacked from the official archives.

    The json files may have their new names (`train.json`) or the old ones (`something-something-v2-train.json`), and be
    in `root` or in the folder they were packed in. A class is a template, "Holding [something]", without its brackets.

    Args:
        root: the folder that the archives were unpacked in.
        videos: the folder of `<id>.webm`, relative to `root`.
    """

    def __init__(self, root: str, videos: str = "20bn-something-something-v2") -> None:
        self.root = root
        self.video_folder = videos

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(self._labels)

    def videos(self, split: str) -> Videos:
        _check_split(split)
        file = self._file({"train": "train", "val": "validation", "test": "test"}[split] + ".json")
        folder, labels = self._found_video_folder(), self._test_labels() if split == "test" else {}

        def read(entry: Mapping[str, Any]) -> Video:
            label = labels.get(entry["id"], UNLABELLED) if split == "test" else self._label(entry["template"], file)
            return Video(os.path.join(folder, f"{entry['id']}.webm"), label)

        return _consistent(_parsed(_load_json(file), read, file), file)

    @cached_property
    def _labels(self) -> dict[str, int]:
        """Class names to labels, in the order of the labels."""
        file = self._file("labels.json")
        labels = _load_json(file)
        if not isinstance(labels, dict) or {*map(str, labels.values())} != {str(i) for i in range(len(labels))}:
            raise ValueError(f"{file} must give each class a label of its own, from 0 up without a gap")
        return {name: int(label) for name, label in sorted(labels.items(), key=lambda item: int(item[1]))}

    def _test_labels(self) -> dict[str, int]:
        """Video ids to labels by test-answers.csv, which not every release has: `1420;Throwing something`."""
        file = self._file("test-answers.csv", needed=False)
        if file is None:
            return {}
        with open(file, encoding="utf-8") as lines:
            pairs = [line.strip().partition(";") for line in lines if line.strip()]
        return {video: self._label(template, file) for video, _, template in pairs}

    def _label(self, template: str, file: str) -> int:
        name = template.replace("[", "").replace("]", "")
        if name not in self._labels:
            nearest = difflib.get_close_matches(name, self._labels, 1, cutoff=0.0)[0]
            raise ValueError(f"{file}: '{template}' is not in {self._file('labels.json')}; the nearest is '{nearest}'")
        return self._labels[name]

    @overload
    def _file(self, name: str) -> str: ...
    @overload
    def _file(self, name: str, needed: bool) -> str | None: ...
    def _file(self, name: str, needed: bool = True) -> str | None:
        """Where an annotation file is, by its new or its old name."""
        package = "20bn-something-something-download-package-labels"
        folders = ["", "labels", "annotations", package, os.path.join(package, "labels")]
        names = [name, f"something-something-v2-{name}"]
        for folder in folders:
            for path in (os.path.join(self.root, folder, each) for each in names):
                if os.path.isfile(path):
                    return path
        if not needed:
            return None
        raise ValueError(
            f"neither {names[0]} nor {names[1]} is in {self.root} or its folders {', '.join(folders[1:])}; "
            f"unpack the official label archive there. {_content(self.root)}"
        )

    def _found_video_folder(self) -> str:
        """The folder that holds webm files: the one named, the same once more inside itself, or the root."""
        folder = os.path.join(self.root, self.video_folder)
        places = [folder, os.path.join(folder, os.path.basename(folder)), os.path.join(self.root, "videos"), self.root]
        for place in places:
            if any(name.endswith(".webm") for name in _listed(place)):
                return place
        raise ValueError(
            f"no webm file is in {', '.join(places)}; unpack the official video archives in {self.root}, or name the "
            f"folder by data.annotations.videos. {_content(self.root)}"
        )


class VideoList(Annotations):
    """Text files with a line `path label` for each video, as of mmaction2 and its relatives.

    The label follows the last white space, so a path may hold some.

    Args:
        root: what paths, those of the files here too, are relative to.
        train, val, test: the list of each split; None where there is none.
        classes: a file with one class name per line; None leaves the classes without names.
    """

    def __init__(
        self,
        root: str,
        train: str | None = None,
        val: str | None = None,
        test: str | None = None,
        classes: str | None = None,
    ) -> None:
        self.root = root
        self.lists = {split: name for split, name in zip(SPLITS, (train, val, test), strict=True) if name is not None}
        self.classes = classes
        self._read: dict[str, Videos] = {}

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """The names in `classes`; none where no such file is given."""
        return () if self.classes is None else tuple(line for _, line in _lines(os.path.join(self.root, self.classes)))

    def videos(self, split: str) -> Videos:
        _check_split(split)
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
            self._read[split] = _consistent((self._video(file, *line) for line in _lines(file)), file)
        return self._read[split]

    def _video(self, file: str, number: int, line: str) -> Video:
        match = re.fullmatch(r"(.*\S)\s+(-1|\d+)", line)
        if match is None:
            raise ValueError(f"{file}, line {number}: '{line}' must be a path and a label of at least 0 (-1 for none)")
        return Video(os.path.join(self.root, match[1]), int(match[2]))


class ClassFolders(Annotations):
    """Videos in folders by split and class: `root/train/<class>/*.mp4`; "validation" also serves for "val".

    The classes are the folders of the training split in alphabetical order, or without one, of the first there is.
    """

    _NAMES = (("train",), ("val", "validation"), ("test",))

    def __init__(self, root: str) -> None:
        self.root = root

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        folders = self._folders()
        if not folders:
            raise ValueError(f"{self.root} has no folder train, val or test. {_content(self.root)}")
        return tuple(_subfolders(next(iter(folders.values()))))

    def videos(self, split: str) -> Videos:
        _check_split(split)
        folders = self._folders()
        if split not in folders:
            raise ValueError(f"{self.root} has no folder for '{split}'. {_content(self.root)}")
        folder = folders[split]
        if unknown := [name for name in _subfolders(folder) if name not in self.class_names]:
            raise ValueError(f"{folder} has classes {unknown}, but the first split only {list(self.class_names)}")
        videos = Videos(self._in(folder))
        if not len(videos):
            raise ValueError(f"{folder} has no video in its class folders; known are {', '.join(_SUFFIXES)}")
        return videos

    def _folders(self) -> dict[str, str]:
        """The folder of each split that is there."""
        there = {}
        for split, names in zip(SPLITS, self._NAMES, strict=True):
            paths = [path for name in names if os.path.isdir(path := os.path.join(self.root, name))]
            if len(paths) > 1:
                raise ValueError(f"{' and '.join(paths)} are both there: which is the '{split}' split?")
            if paths:
                there[split] = paths[0]
        return there

    def _in(self, folder: str) -> Iterator[Video]:
        for label, name in enumerate(self.class_names):
            for file in sorted(_listed(os.path.join(folder, name))):
                if file.lower().endswith(_SUFFIXES) and not file.startswith("."):
                    yield Video(os.path.join(folder, name, file), label)


def _check_split(split: str) -> None:
    if split not in SPLITS:
        raise ValueError(f"there is no split '{split}', only {', '.join(SPLITS)}")


def _consistent(videos: Iterable[Video], file: str) -> Videos:
    """The videos of a file, which must not give one of them two labels."""
    labels: dict[str, int] = {}

    def checked() -> Iterator[Video]:
        for video in videos:
            if labels.setdefault(video.path, video.label) != video.label:
                raise ValueError(f"{file}: {video.path} has label {labels[video.path]}, and label {video.label} too")
            yield video

    return Videos(checked())


def _load_json(file: str) -> Any:
    try:
        with open(file, encoding="utf-8") as content:
            return json.load(content)
    except ValueError as error:
        raise ValueError(f"{file} is not JSON: {error}") from error


def _parsed(entries: Iterable[Any], parse: Callable[[Any], Any], file: str) -> Iterator[Any]:
    """Entries of a file, parsed; one of another form is an error that shows it."""
    for entry in entries:
        try:
            yield parse(entry)
        except (KeyError, TypeError) as error:
            raise ValueError(f"{file}: entry {entry} has not the official form: {error!r}") from error


def _lines(file: str) -> Iterator[tuple[int, str]]:
    """The lines of a text file that are not empty, with their numbers from 1; any bytes may be in a file's name."""
    if not os.path.isfile(file):
        raise ValueError(f"the list {file} is missing. {_content(os.path.dirname(file))}")
    with open(file, encoding="utf-8-sig", errors="surrogateescape") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, line.strip()


def _subfolders(folder: str) -> list[str]:
    return sorted(
        name for name in _listed(folder) if not name.startswith(".") and os.path.isdir(os.path.join(folder, name))
    )


def _listed(folder: str) -> list[str]:
    """Names in a folder; none if there is no such folder."""
    return os.listdir(folder) if os.path.isdir(folder) else []


def _content(folder: str) -> str:
    """A sentence for error messages: what is in a folder."""
    if not os.path.isdir(folder):
        return f"{folder} does not exist."
    names = sorted(os.listdir(folder))
    return f"There are: {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}." if names else f"{folder} is empty."
