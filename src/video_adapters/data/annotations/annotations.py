"""The interface of data sets, whatever their label files look like."""

import os
from abc import ABC, abstractmethod

import numpy as np

from video_adapters.data.annotations.files import listed
from video_adapters.data.annotations.videos import Videos

SPLITS = ("train", "val", "test")


class Annotations(ABC):
    """A data set as its publishers distribute it. Nothing is read before it is asked for."""

    @property
    @abstractmethod
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, by label; none where the data set numbers them."""

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)

    @property
    def label_sets(self) -> np.ndarray | None:
        """The classes of each label where a video may have several: (K, C) bool, K distinct sets, to whose rows labels
        point; None where a label is a class."""
        return None

    @abstractmethod
    def videos(self, split: str) -> Videos:
        """The videos of "train", "val" or "test".

        Raises:
            ValueError: no such split, or its files are missing or contradict each other.
        """

    def groups(self, split: str) -> tuple[str, ...] | None:
        """The group of each of `videos(split)`, such as a person or a scene, of which training and held-out videos
        should have none in common; None where the data set names no groups."""
        return None

    def has(self, split: str) -> bool:
        """Whether there is such a split."""
        return True

    @property
    def test_hint(self) -> str:
        """A sentence for who tests on the videos of validation: how a test set is given."""
        return "papers report these videos too; callbacks.best=null takes the last weights, which they have not chosen"

    def prepare(self) -> None:  # noqa: B027  (most data sets have nothing to do)
        """Makes what must be made before anything is read; called once per machine."""

    def is_prepared(self) -> bool:
        """Whether `prepare` has nothing to do."""
        return True

    def missing(self, videos: Videos) -> list[str]:
        """Those of the videos' paths where nothing is, in order, each folder listed once; a ValueError if all are."""
        folders: dict[str, set[str]] = {}
        absent = []
        for path, *_ in videos:
            folder, name = os.path.split(path)
            if folder not in folders:
                folders[folder] = set(listed(folder))
            if name not in folders[folder]:
                absent.append(path)
        if absent and len(absent) == len(videos):
            where = ", ".join(sorted(folders)[:3]) + (", ..." if len(folders) > 3 else "")
            raise ValueError(
                f"none of the {len(videos)} videos is there: looked in {where} for {absent[0]} and its like"
            )
        return absent


def check_split(split: str) -> None:
    """Refuses any other split than those there are, with a ValueError that names them."""
    if split not in SPLITS:
        raise ValueError(f"there is no split '{split}', only {', '.join(SPLITS)}")
