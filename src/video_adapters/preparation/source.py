"""A data set on disk, named as in configs/data, and every video that its annotations name."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from omegaconf import DictConfig

from video_adapters.commands.config import compose_config
from video_adapters.commands.grammar import hydra_quote
from video_adapters.data.annotations import Annotations, Video
from video_adapters.data.annotations.prepared import in_copy


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set on disk, named as in configs/data."""

    data: str
    root: Path | None  # None: the config's own
    overrides: Sequence[str]  # KEY=VALUE, as of src/train.py

    def config(self) -> DictConfig:
        """The composed data config."""
        return self.composed().data

    def composed(self, *words: str) -> DictConfig:
        """The whole config, with more words, which the overrides may take back."""
        root = [] if self.root is None else [f"data.root={hydra_quote(str(self.root))}"]
        recipe = [] if self.names("experiment") else ["~experiment"]
        words = (*recipe, f"data={self.data}", *root, *words, *self.overrides, "name=prepare", "run_dir=.")
        return compose_config("train", words)

    def names(self, group: str) -> bool:
        """Whether the overrides choose of a config group."""
        return any(word.startswith(f"{group}=") for word in self.overrides)


class Listed(NamedTuple):
    """A video file or frame folder, once, however many annotations name it."""

    video: Video
    splits: str  # those that name it, joined by a blank

    @property
    def source(self) -> str:
        return self.video.path


def listed(annotations: Annotations, root: str, splits: Sequence[str]) -> list[Listed]:
    """Every file or folder that a split names, with the first frame that any annotation wants of it."""
    by_path: dict[str, Listed] = {}
    for split in splits:
        for video in in_copy(root, annotations.videos(split)):
            earlier = by_path.get(video.path)
            named = [] if earlier is None else earlier.splits.split()
            first = video if earlier is None or video.start < earlier.video.start else earlier.video
            by_path[video.path] = Listed(first, " ".join(dict.fromkeys([*named, split])))
    return list(by_path.values())
