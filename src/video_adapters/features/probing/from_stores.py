"""Stored features of training and validation videos, as a search for probes wants them."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from video_adapters.data.datamodule import VideoData
from video_adapters.features.kinds import BOTH
from video_adapters.features.probing.choose import Clips
from video_adapters.features.probing.folds import folds
from video_adapters.features.store import FeatureStore


def kinds_in(store: FeatureStore) -> tuple[str, ...]:
    """Kinds of features that probes stand on: those that are kept, and class token and patches together."""
    kinds = store.spec.kinds
    return (*kinds, BOTH) if {"class", "patches"} <= {*kinds} else kinds


class StoredFeatures:
    """The features of training and validation videos; each draw and view of a video is a clip.

    Where the test scores the videos of validation, these choose the probe, and nothing is fitted on them in the end.

    Args:
        stores: complete, by use (train, val).
        data: whose videos they are.
    """

    def __init__(self, stores: dict[str, FeatureStore], data: VideoData) -> None:
        self.stores, self.data = stores, data
        first = next(iter(stores.values()))
        self.layers, self.kinds = tuple(first.layers), kinds_in(first)

    def read(self, layer: int, kind: str) -> Tensor:
        """Of all clips: (N, T, D) float32."""
        parts = [torch.from_numpy(store.read(layer, kind)) for store in self.stores.values()]
        return torch.cat([part.flatten(0, 1) for part in parts])

    def clips(self, num_folds: int, fit_validation: bool = True) -> Clips:
        """What is known of the clips, in the same order; those of validation train if they may and are not tested."""
        labels, readable, of_validation, first = (
            np.concatenate(parts) for parts in zip(*(self._of(use) for use in self.stores), strict=True)
        )
        tested = self.data.splits["val"] == self.data.splits["test"]
        return Clips(
            labels=torch.from_numpy(labels),
            num_classes=self.data.num_classes,
            readable=torch.from_numpy(readable),
            folds=folds(labels, of_validation, self._groups(), readable=readable, count=num_folds),
            trains=torch.from_numpy(~of_validation | (fit_validation and not tested)),
            first=torch.from_numpy(first),
        )

    def _of(self, use: str) -> tuple[np.ndarray, ...]:
        """Of each clip of a use: label, whether it is readable, of validation, its video's first: (N,) each."""
        store, transform = self.stores[use], self.data.train_transform
        views = self._num_views(use)
        labels = np.repeat(self.data.videos(use).labels[:, None], store.draws, 1)
        labels[store.flipped] = [transform.flipped(int(label)) for label in labels[store.flipped]]
        spread = (np.repeat(one, views, 1) for one in (labels, store.present))
        first = np.zeros((len(store), store.draws * views), bool)
        first[:, 0] = True
        of_validation = np.full_like(first, use == "val")
        return tuple(one.reshape(-1) for one in (*spread, of_validation, first))

    def _groups(self) -> Sequence[str] | None:
        groups: list[str] = []
        for use, store in self.stores.items():
            if (own := self.data.groups(use)) is None:
                return None
            groups += np.repeat(own, store.draws * self._num_views(use)).tolist()
        return groups

    def _num_views(self, use: str) -> int:
        """Views of each draw."""
        return 1 if use == "train" else len(self.data.views[use])
