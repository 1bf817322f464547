"""Samples whose clips are stored features, in the place of videos that are decoded."""

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from video_adapters.data.annotations import Videos
from video_adapters.data.clips.transform import TrainTransform
from video_adapters.data.dataset import REPLACEMENTS, Sample
from video_adapters.data.sampler import Key
from video_adapters.features.store import FeatureStore


class StoredClips(Dataset[Sample]):
    """The features of a use's videos as samples: (V, T, D), or (V, T, N, D) of all tokens.

    Videos that cannot be read are treated as where videos are decoded: evaluated, they are blank and not `readable`; in
    training another takes their place.

    Args:
        store: complete.
        videos: of the use.
        layer: block, counted from 1.
        kind: of its features.
    """

    def __init__(self, store: FeatureStore, videos: Videos, layer: int, kind: str) -> None:
        store.check_complete()
        self.store, self.videos, self.layer, self.kind = store, videos, layer, kind
        self.present = store.present

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, key: Key) -> Sample:
        return self._sample(key, key.video, 0, key.weight, self.broken(key.video, 0))

    def broken(self, video: int, draw: int) -> tuple[str, ...]:
        """The note on a clip that cannot be read, if it is none."""
        return () if self.present[video, draw] else (self.store.note(video, draw, self.videos[video].path),)

    def _sample(self, key: Key, video: int, draw: int, weight: float, broken: tuple[str, ...]) -> Sample:
        """A clip of `video` as one of the key's."""
        label, readable = int(self.videos.labels[video]), bool(self.present[video, draw])
        return Sample(
            self._clip(video, draw), label, weight, key.video, broken, readable, tokens=self._tokens(video, draw)
        )

    def _clip(self, video: int, draw: int) -> Tensor:
        """What stands for the clip: its features, zeros where it is not there."""
        return torch.from_numpy(np.array(self.store.clip(video, self.layer, self.kind, draw)))

    def _tokens(self, video: int, draw: int) -> Tensor | None:
        """What goes with it, for a network beside the encoder."""
        return None


class StoredTrainClips(StoredClips):
    """Of each training video one clip or, of several random draws of it, one after the other, epoch by epoch.

    Args:
        store: complete.
        videos: of the use.
        layer: block, counted from 1.
        kind: of its features.
        transform: of training, by which a mirrored clip has another class.
        seed: of what takes the place of a video that cannot be read.
    """

    def __init__(
        self, store: FeatureStore, videos: Videos, layer: int, kind: str, transform: TrainTransform, seed: int
    ) -> None:
        super().__init__(store, videos, layer, kind)
        self.flipped, self.transform, self.seed = store.flipped, transform, seed

    def __getitem__(self, key: Key) -> Sample:
        generator = np.random.default_rng([self.seed, key.epoch, key.video])
        video, draw = key.video, key.epoch % self.store.draws
        broken: tuple[str, ...] = ()
        for _ in range(REPLACEMENTS):
            if not (note := self.broken(video, draw)):
                sample = self._sample(key, video, draw, key.weight, broken)
                if self.flipped[video, draw]:
                    return sample._replace(label=self.transform.flipped(sample.label))
                return sample
            broken += note
            video = int(generator.integers(len(self.videos)))
        return self._sample(key, key.video, draw, 0.0, broken)
