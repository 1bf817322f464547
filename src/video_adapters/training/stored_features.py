"""Runs in which nothing below the head trains: the frozen backbone is asked once about every clip."""

from typing import Any

from omegaconf import DictConfig, open_dict

from video_adapters.data.datamodule import VideoData
from video_adapters.features import open_store
from video_adapters.features.kinds import TOKENS, asked_kind, default_layers
from video_adapters.features.stored_clips import StoredClips, StoredTrainClips
from video_adapters.model.backbone import Backbone
from video_adapters.model.classifier import VideoClassifier


def of_this_place(cfg: DictConfig, features: DictConfig) -> DictConfig:
    """A run's config with the features' folder of this machine; a run of before there were any goes on without them."""
    cfg = cfg.copy()
    with open_dict(cfg):
        own = cfg.get("features") or {**features, "use": False}
        cfg.features = {**own, "root": features.root}
    return cfg


def read_from_store(cfg: DictConfig, classifier: VideoClassifier, data: VideoData) -> bool:
    """Has a run's data read what the backbone says of its clips, computed where it is missing; whether it does: where
    the config allows it, and nothing below the head trains.

    Raises:
        ValueError: for an unknown `features.use`, and whatever keeps features from being computed.
    """
    if cfg.features.use not in ("auto", False):
        raise ValueError(f"features.use is {cfg.features.use}, expected auto or false")
    backbone = classifier.backbone
    if cfg.features.use is False or any(parameter.requires_grad for parameter in backbone.parameters()):
        return False
    every = backbone.reads == "tokens"
    layer, kind = len(backbone.blocks), TOKENS if every else asked_kind(backbone.encoder)
    uses = ("train", "val", *(("test",) if cfg.test else ()))
    how: Any = {"layers": _layers(cfg, backbone), "tokens": "all" if every else "pooled"}
    # all are opened before any is computed, so that the order of rows does not depend on what is interrupted
    stores = {use: open_store(backbone, cfg, data, use, **how) for use in uses}
    for use, store in stores.items():
        store.compute()
        videos = data.videos(use)
        data.sources[use] = (
            StoredTrainClips(store, videos, layer, kind, data.train_transform, data.seed)
            if use == "train"
            else StoredClips(store, videos, layer, kind)
        )
    return True


def _layers(cfg: DictConfig, backbone: Backbone) -> list[int]:
    """The blocks that are kept: the one that is read and, of frames' features of the whole encoder, those of the config
    too, for probes of them; all tokens of others would take too much of the disk."""
    last = len(backbone.blocks)
    if backbone.reads == "tokens" or cfg.model.get("depth") is not None:
        return [last]
    return sorted({*(cfg.features.layers or default_layers(backbone.encoder)), last})
