"""Stored features as arrays in memory, for people's own tools."""

from dataclasses import dataclass

import numpy as np

from video_adapters.commands.command import read_environment
from video_adapters.commands.config import compose_config
from video_adapters.data.datamodule import VideoData
from video_adapters.data.from_config import build_data, with_classes_counted
from video_adapters.features.open_store import open_store
from video_adapters.features.store import FeatureStore
from video_adapters.model.build import build_frozen
from video_adapters.model.hardware import make_ready


@dataclass(frozen=True, kw_only=True)
class Features:
    """What a frozen encoder says of N videos, in the data set's order."""

    arrays: dict[tuple[int, str], np.ndarray]  # by block and kind: (N, V, T, D) float32, zeros if not readable
    labels: np.ndarray  # (N,) int64
    paths: tuple[str, ...]
    groups: tuple[str, ...] | None  # of each video, such as a person, where the data set has any
    class_names: tuple[str, ...]  # by label
    readable: np.ndarray  # (N,) bool


def read_features(*words: str, use: str = "train") -> Features:
    """The features of a data set's videos, computed where they are missing.

    Args:
        words: of the command line of `src/extract.py`, such as "experiment=own_videos", "data.root=/videos/mine".
        use: train, val or test.

    Raises:
        ValueError: for whatever in config, data or weights stands in the way.
    """
    read_environment()
    cfg = with_classes_counted(compose_config("extract", words))
    data = build_data(cfg)
    backbone = build_frozen(cfg)
    make_ready(backbone, cfg)
    store = open_store(backbone, cfg, data, use)
    store.compute()
    return features_in(store, data, use)


def features_in(store: FeatureStore, data: VideoData, use: str) -> Features:
    """All that a complete store has of the videos of a use."""
    videos = data.videos(use)
    return Features(
        arrays={(layer, kind): store.read(layer, kind) for layer in store.layers for kind in store.spec.kinds},
        labels=videos.labels,
        paths=tuple(video.path for video in videos),
        groups=data.groups(use),
        class_names=data.class_names,
        readable=store.readable,
    )
