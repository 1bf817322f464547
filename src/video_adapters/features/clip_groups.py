"""Clips of the rows of a store, decoded in groups of fixed rows, each group one pass of the encoder."""

import time
from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from video_adapters.data.dataset import TestClips, TrainClips
from video_adapters.data.video.frame_source import DecodeError


class Decoded(NamedTuple):
    """The clip of a row."""

    clips: Tensor  # (V, T, 3, S, S) uint8
    flipped: bool = False  # mirrored, which may have changed its class
    resized: str = ""  # the video's path, if frames of another size than its first were resized


class RowClips(ABC):
    """The clips of a store's rows, by their position in the list of a use."""

    num_views: int

    @abstractmethod
    def path(self, position: int) -> str:
        """The video of a row."""

    @abstractmethod
    def decode(self, position: int) -> Decoded:
        """The clips of a row.

        Raises:
            DecodeError: they cannot be had.
        """


class FixedViews(RowClips):
    """The views of a test protocol, a row per video."""

    def __init__(self, clips: TestClips) -> None:
        self.clips = clips
        self.num_views = clips.num_clips * clips.transform.crops

    def path(self, position: int) -> str:
        return self.clips.videos[position].path

    def decode(self, position: int) -> Decoded:
        clips, resized = self.clips.views(position)
        return Decoded(clips, resized=resized)


class Draws(RowClips):
    """Random clips as training draws them: row n is draw n % `draws` of its video, the one of that epoch."""

    num_views = 1

    def __init__(self, clips: TrainClips, draws: int) -> None:
        self.draws = draws
        pairs = clips.transform.flip_pairs
        # where a flip changes a class, all get the first such one: what comes back tells whether a clip was flipped
        self._label = int(pairs[0][0]) if pairs else None
        self.clips = clips if self._label is None else clips.labelled(self._label)

    def path(self, position: int) -> str:
        return self.clips.videos[position // self.draws].path

    def decode(self, position: int) -> Decoded:
        video, draw = divmod(position, self.draws)
        generator = np.random.default_rng([self.clips.seed, draw, video])
        clip, label, resized = self.clips.clip(video, generator)
        return Decoded(clip, self._label is not None and label != self._label, resized)


class Group(NamedTuple):
    """Rows that are computed in one pass, at fixed places of it."""

    number: int
    slots: tuple[int, ...]  # places in the group
    positions: tuple[int, ...]  # of these rows in the list of the use


class GroupClips(NamedTuple):
    """A group's clips; blank at places that are not computed."""

    group: Group
    clips: Tensor  # (G, V, T, 3, S, S) uint8
    flipped: list[bool]  # of each slot
    broken: list[str]  # of each slot: why it cannot be read, or ""
    resized: list[str]
    seconds: float  # it took


class ClipGroups(Dataset[GroupClips]):
    """Groups decoded.

    Args:
        rows: the clips of a use.
        size: G, rows of a group.
        num_frames, image_size: of a clip, and height and width of its frames.
    """

    def __init__(self, rows: RowClips, size: int, num_frames: int, image_size: tuple[int, int]) -> None:
        self.rows = rows
        self.shape = size, rows.num_views, num_frames, *image_size, 3

    def __getitem__(self, group: Group) -> GroupClips:
        start = time.perf_counter()
        clips = torch.zeros(self.shape, dtype=torch.uint8).permute(0, 1, 2, 5, 3, 4)  # as the transforms leave them
        flipped, broken, resized = list[bool](), list[str](), list[str]()
        for slot, position in zip(group.slots, group.positions, strict=True):
            one, why = self._decoded(position)
            if one is not None:
                clips[slot] = one.clips
            flipped.append(one is not None and one.flipped)
            broken.append(why)
            resized += [one.resized] if one is not None and one.resized else []
        if get_worker_info() is not None:
            clips.share_memory_()  # here, where a failure reaches the process that waits: see `dataset.collate`
        return GroupClips(group, clips, flipped, broken, resized, time.perf_counter() - start)

    def _decoded(self, position: int) -> tuple[Decoded | None, str]:
        try:
            return self.rows.decode(position), ""
        except DecodeError as error:
            return None, str(error)


def as_is(clips: GroupClips) -> GroupClips:
    """In place of a loader's collation."""
    return clips
