"""Diving-48."""

import os
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from video_adapters.data.annotations.annotations import Annotations, check_split
from video_adapters.data.annotations.files import load_json, needed_file, parsed
from video_adapters.data.annotations.videos import Video, Videos


class Diving48(Annotations):
    """Diving-48 V2 (Li et al. 2018, labels corrected in 2020), 48 classes, as unpacked from `Diving48_rgb.tar.gz`.

    A video's label holds from its start frame up to its end frame. There is no validation split: papers report the test
    videos.

    Args:
        root: the folder with the json files, or with a folder `annotations` of them.
        videos: the folder of `<vid_name>.mp4`, relative to `root`.
    """

    def __init__(self, root: str, videos: str = "rgb") -> None:
        self.root = root
        self.video_folder = videos

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Take-off, somersaults, twists and position of each dive: "Back 15som 05Twis FREE"."""
        file = self._file("Diving48_vocab.json")
        return tuple(parsed(load_json(file), " ".join, file))

    def videos(self, split: str) -> Videos:
        check_split(split)
        if split == "val":
            raise ValueError("Diving-48 has no validation split: set data.val_split=test, as its config does")
        file = self._file(f"Diving48_V2_{split}.json")
        folder = os.path.join(self.root, self.video_folder)

        def read(entry: Mapping[str, Any]) -> Video:
            name, label = entry["vid_name"], int(entry["label"])
            return Video(os.path.join(folder, f"{name}.mp4"), label, int(entry["start_frame"]), int(entry["end_frame"]))

        return Videos(parsed(load_json(file), read, file))

    def _file(self, name: str) -> str:
        return needed_file(self.root, ("annotations",), (name,), "download it from the page of Diving-48 (V2)")
