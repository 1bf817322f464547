"""UCF101 and HMDB51: small, with three published splits and no validation."""

import os
import re
from abc import abstractmethod
from collections.abc import Iterator
from functools import cached_property

from video_adapters.data.annotations.annotations import Annotations, check_split
from video_adapters.data.annotations.files import listed, needed_file, needed_folder, parsed, subfolders
from video_adapters.data.annotations.text import lines
from video_adapters.data.annotations.videos import Video, Videos

FOLDS = (1, 2, 3)


class _Folds(Annotations):
    """What the two have in common: videos in class folders, split three ways.

    Args:
        root: the folder that videos and split files were unpacked in.
        fold: which of the three splits.
        videos: the folder of the class folders, relative to `root`; None looks for it under its usual names.
    """

    usual: tuple[str, ...]

    def __init__(self, root: str, fold: int = 1, videos: str | None = None) -> None:
        if fold not in FOLDS:
            raise ValueError(f"data.annotations.fold is {fold}, expected one of {', '.join(map(str, FOLDS))}")
        self.root = root
        self.fold = fold
        self.folders = (videos,) if videos is not None else self.usual

    def videos(self, split: str) -> Videos:
        check_split(split)
        if split == "val":
            raise ValueError(f"{type(self).__name__} has no validation split: set data.val_split=test")
        return Videos(self._of(split))

    @abstractmethod
    def _of(self, split: str) -> Iterator[Video]:
        """The videos of "train" or "test"."""

    def _video_folder(self) -> str:
        names = set(self.class_names)
        lacking = f"no class folder, such as {self.class_names[0]},"
        return needed_folder(self.root, self.folders, lambda folder: names & {*subfolders(folder)}, lacking)


class Ucf101(_Folds):
    """UCF101 (Soomro et al. 2012): `UCF101.rar` and the split files of `UCF101TrainTestSplits-RecognitionTask.zip`.

    A video's group is the g01 of its name, by which the published splits are made too.

    Args: as the base says; the split files may be in `root` or in its folder `ucfTrainTestlist`.
    """

    usual = ("UCF-101", "UCF101", "videos", "")

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        file = self._list("classInd.txt")

        def read(line: tuple[int, str]) -> tuple[int, str]:
            number, name = line[1].split(maxsplit=1)
            return int(number), name

        names = tuple(name for _, name in sorted(parsed(lines(file), read, file)))
        if not names:
            raise ValueError(f"{file} names no class, expected lines such as: 1 ApplyEyeMakeup")
        return names

    def _of(self, split: str) -> Iterator[Video]:
        labels = {name: label for label, name in enumerate(self.class_names)}
        folder, file = self._video_folder(), self._list(f"{split}list{self.fold:02d}.txt")
        for number, line in lines(file):
            # training lines end in a label counted from 1; the test lists have none: the folder is the class
            path = line.split()[0]
            name = path.split("/")[0]
            if name not in labels:
                raise ValueError(f"{file}, line {number}: '{name}' is no class of classInd.txt")
            yield Video(os.path.join(folder, path), labels[name])

    def groups(self, split: str) -> tuple[str, ...]:
        names = (os.path.basename(path) for path, *_ in self.videos(split))
        return tuple(group[1] if (group := re.search(r"_(g\d+)_", name)) else name for name in names)

    def _list(self, name: str) -> str:
        folders = ("ucfTrainTestlist", "annotations", "splits")
        return needed_file(self.root, folders, (name,), "unpack the split files of UCF101 there")


class Hmdb51(_Folds):
    """HMDB51 (Kuehne et al. 2011): `hmdb51_org.rar`, its class archives unpacked too, and `test_train_splits.rar`.

    A file `<class>_test_split1.txt` says of each video of a class whether it is for training (1), for the test (2), or
    neither (0). The classes are in alphabetical order. A video's group is the film that it was cut from, which its name
    has ahead of the class.

    Args: as the base says; the split files may be in `root` or in a folder `testTrainMulti_7030_splits` or `splits`.
    """

    usual = ("hmdb51_org", "hmdb51", "videos", "")

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        files = [name for name in listed(self._splits) if name.endswith(self._ending)]
        return tuple(sorted(name.removesuffix(self._ending) for name in files))

    def _of(self, split: str) -> Iterator[Video]:
        folder, wanted = self._video_folder(), {"train": "1", "test": "2"}[split]
        for label, name in enumerate(self.class_names):
            file = os.path.join(self._splits, f"{name}{self._ending}")
            for number, line in lines(file):
                video, _, use = line.rpartition(" ")
                if use not in ("0", "1", "2"):
                    raise ValueError(f"{file}, line {number}: '{line}' must end in 0, 1 or 2")
                if use == wanted:
                    yield Video(os.path.join(folder, name, video.strip()), label)

    def groups(self, split: str) -> tuple[str, ...]:
        pairs = (path.split(os.sep)[-2:] for path, *_ in self.videos(split))
        return tuple(name.split(f"_{label}")[0] for label, name in pairs)

    @property
    def _ending(self) -> str:
        return f"_test_split{self.fold}.txt"

    @cached_property
    def _splits(self) -> str:
        folders = ("", "testTrainMulti_7030_splits", "test_train_splits", "splits", "annotations")
        return needed_folder(
            self.root, folders, lambda folder: any(name.endswith(self._ending) for name in listed(folder)),
            f"no file like brush_hair{self._ending}", "unpack test_train_splits.rar there",
        )  # fmt: skip
