"""Videos sorted into folders by class."""

import logging
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from video_adapters.commands.wording import counted, did_you_mean
from video_adapters.data.annotations.annotations import SPLITS, Annotations, check_split
from video_adapters.data.annotations.files import VIDEO_SUFFIXES, content, sorted_classes, subfolders
from video_adapters.data.annotations.held_out import held_out
from video_adapters.data.annotations.videos import Video, Videos

log = logging.getLogger(__name__)


@dataclass(eq=False)
class ClassFolders(Annotations):
    """Videos in folders by split and class: `root/train/<class>/*.mp4`; "validation" also serves for "val".

    A folder of frames in a class folder is a video too. The classes are the folders of the training split in
    alphabetical order, numbers as numbers, or without one, of the first there is. Where `root` has no folder of a
    split, its own folders are the classes. Where no folder is for "val", a share of each class that trains is set aside
    for it. Capitals make no difference in a split's name. Files of unknown suffixes are no videos; the log counts them.
    """

    root: str
    val_share: float = 0.2  # of each class, set aside for validation where no folder is for it

    _NAMES = (("train", "training"), ("val", "valid", "validation"), ("test", "testing"))

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        folders = self._folders()
        names = subfolders(next(iter(folders.values()), self.root))
        if not names:
            raise ValueError(
                f"{self.root} has neither a folder train, val or test nor class folders. {content(self.root)}"
            )
        return sorted_classes(names)

    def has(self, split: str) -> bool:
        return split in self._folders() or (split != "test" and self._divided() is not None)

    @property
    def test_hint(self) -> str:
        return f"for a test set of its own, put videos into {self.root}/test/CLASS, beside train and val"

    def videos(self, split: str) -> Videos:
        check_split(split)
        folders, divided = self._folders(), self._divided()
        if divided is not None and split != "test":
            videos = self._of(divided)
            aside = held_out(videos.labels, self.val_share)
            return videos.select(int(i) for i in np.flatnonzero(aside if split == "val" else ~aside))
        if split not in folders:
            raise ValueError(f"{self.root} has no folder for '{split}'. {content(self.root)}")
        return self._of(folders[split])

    def _of(self, folder: str) -> Videos:
        """All videos in the class folders of a folder."""
        classes = self.class_names
        if folder != self.root and (unknown := [name for name in subfolders(folder) if name not in classes]):
            raise ValueError(
                f"{folder} has classes {unknown}{did_you_mean(unknown[0], classes)}, but the first split only "
                f"{list(classes)}"
            )
        videos = Videos(self._in(folder))
        if not len(videos):
            raise ValueError(f"{folder} has no video in its class folders; known are {', '.join(VIDEO_SUFFIXES)}")
        return videos

    def _divided(self) -> str | None:
        """The folder whose videos are for both training and validation; None where each has its own."""
        folders = self._folders()
        if not folders:
            return self.root
        return None if "val" in folders else folders.get("train")

    def _folders(self) -> dict[str, str]:
        """The folder of each split that is there."""
        there = {}
        for split, names in zip(SPLITS, self._NAMES, strict=True):
            paths = [os.path.join(self.root, name) for name in subfolders(self.root) if name.lower() in names]
            if len(paths) > 1:
                raise ValueError(f"{' and '.join(paths)} are both there: which is the '{split}' split?")
            if paths:
                there[split] = paths[0]
        return there

    def _in(self, folder: str) -> Iterator[Video]:
        unknown: Counter[str] = Counter()
        for label, name in enumerate(self.class_names):
            if os.path.isdir(inside := os.path.join(folder, name)):
                for entry in sorted(os.scandir(inside), key=lambda entry: entry.name):
                    if entry.name.startswith("."):
                        continue
                    if entry.name.lower().endswith(VIDEO_SUFFIXES) or entry.is_dir():  # a folder of frames
                        yield Video(entry.path, label)
                    else:
                        unknown[os.path.splitext(entry.name)[1] or entry.name] += 1
        if unknown:
            kinds = ", ".join(f"{count} of {kind}" for kind, count in unknown.most_common(4))
            log.warning("%s: no videos by their names: %s (%s)", folder, kinds, counted(unknown.total(), "file"))
