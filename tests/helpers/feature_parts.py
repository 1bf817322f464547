"""A toy encoder with a handful of videos, and stores of what it says of them."""

from pathlib import Path
from typing import Any, NamedTuple

import yaml
from omegaconf import DictConfig, OmegaConf

from video_adapters.data.datamodule import VideoData
from video_adapters.data.from_config import build_data
from video_adapters.features import FeatureStore, open_store
from video_adapters.model.backbone import Backbone
from video_adapters.model.build import build_frozen

from helpers.toy import composed


class Parts(NamedTuple):
    """What a store is opened of."""

    backbone: Backbone
    cfg: DictConfig
    data: VideoData

    def open(self, use: str = "val", **how: Any) -> FeatureStore:
        return open_store(*self, use, **how)


def parts_of(root: Path, shapes: list[str], *overrides: str) -> Parts:
    cfg = composed(*shapes, f"features.root={root}", *overrides)
    return Parts(build_frozen(cfg), cfg, build_data(cfg))


def changed(parts: Parts, *overrides: str) -> Parts:
    """The same encoder, with another config and the data that it describes."""
    cfg = parts.cfg.copy()
    for key, _, value in (override.partition("=") for override in overrides):
        OmegaConf.update(cfg, key, yaml.safe_load(value), force_add=True)
    return parts._replace(cfg=cfg, data=build_data(cfg))
