"""Samples of pixels with the encoder's stored tokens, of one draw, for a network beside the encoder."""

from copy import copy

import numpy as np
import torch
from torch import Tensor

from video_adapters.data.annotations import Videos
from video_adapters.data.clips.transform import TrainTransform
from video_adapters.features.clip_groups import RowClips
from video_adapters.features.kinds import LEAVING
from video_adapters.features.store import FeatureStore
from video_adapters.features.stored_clips import StoredClips, StoredTrainClips


class _WithTokens(StoredClips):
    """Decodes what the store's tokens were computed from. Where that cannot be had, both are blank."""

    rows: RowClips
    shape: tuple[int, ...]  # of the pixels, (V, T, 3, S, S)

    def _begin(self, shape: tuple[int, ...]) -> None:
        assert self.store.extraction is not None
        self.rows, self.shape = self.store.extraction.clips, shape
        self.store = copy(self.store)
        self.store.extraction = None  # its backbone is not for processes that decode

    def _clip(self, video: int, draw: int) -> Tensor:
        if not self.present[video, draw]:
            views, times, colours, height, width = self.shape
            return torch.zeros(views, times, height, width, colours, dtype=torch.uint8).permute(0, 1, 4, 2, 3)
        return self.rows.decode(video * self.store.draws + draw).clips

    def _tokens(self, video: int, draw: int) -> Tensor:
        """Of every block: (V, L, T, N, D) float32."""
        blocks = [self.store.clip(video, layer, LEAVING, draw) for layer in self.store.layers]
        return torch.from_numpy(np.stack(blocks, 1))


class ClipsWithTokens(_WithTokens):
    """The fixed views of a use's videos, and their tokens.

    Args:
        store: complete, of tokens that leave every block.
        videos: of the use.
        shape: of a video's pixels, (V, T, 3, S, S).
    """

    def __init__(self, store: FeatureStore, videos: Videos, shape: tuple[int, ...]) -> None:
        super().__init__(store, videos, max(store.layers), LEAVING)
        self._begin(shape)


class TrainClipsWithTokens(_WithTokens, StoredTrainClips):
    """Of each training video one clip or, of several random draws of it, one after the other, and its tokens.

    Args:
        store: complete, of tokens that leave every block.
        videos: of the use.
        shape: of a video's pixels, (1, T, 3, S, S).
        transform: of training, by which a mirrored clip has another class.
        seed: of what takes the place of a video that cannot be read.
    """

    def __init__(
        self, store: FeatureStore, videos: Videos, shape: tuple[int, ...], transform: TrainTransform, seed: int
    ) -> None:
        StoredTrainClips.__init__(self, store, videos, max(store.layers), LEAVING, transform, seed)
        self._begin(shape)
