"""Runs that read what a frozen encoder says of their clips from the disk: where nothing below the head trains, and
networks beside the encoder."""

from typing import Any

from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, open_dict
from rich.filesize import decimal

from video_adapters.commands.terminal import summary
from video_adapters.data.datamodule import VideoData
from video_adapters.features import FeatureStore, open_store
from video_adapters.features.clips_with_tokens import ClipsWithTokens, TrainClipsWithTokens
from video_adapters.features.kinds import TOKENS, asked_kind, default_layers
from video_adapters.features.open_store import USES
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
    """Has a run's data read what the backbone says of its clips, computed where it is missing; whether that is all that
    the head needs: where the config allows it, and nothing below the head trains.

    Raises:
        ValueError: for an unknown `features.use`, and whatever keeps features from being computed.
    """
    if cfg.features.use not in ("auto", "side", False):
        raise ValueError(f"features.use is {cfg.features.use}, expected auto, side or false")
    backbone = classifier.backbone
    if cfg.features.use == "side":
        _read_tokens(cfg, backbone, data)
        return False
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


def _read_tokens(cfg: DictConfig, backbone: Backbone, data: VideoData) -> None:
    """Has a run's data bring the tokens of every block beside the pixels, for the network that reads both."""
    if backbone.side is None:
        raise ValueError(
            "features.use=side keeps what a network beside the encoder reads of it, but this adapter has none: give "
            "features.use=auto, or adapter=side4video"
        )
    uses = ("train", "val", *(("test",) if cfg.test else ()))
    how: Any = {"layers": range(1, len(backbone.blocks) + 1), "tokens": "leaving"}
    stores = {use: open_store(backbone, cfg, data, use, **how) for use in uses}
    _tell_disk(stores, cfg.features.root)
    for use, store in stores.items():
        store.compute()
        assert store.extraction is not None
        num_views = store.extraction.clips.num_views
        shape = (num_views, backbone.num_frames, 3, *backbone.encoder.image_size)
        data.token_bytes = max(data.token_bytes, 4 * store.num_values // num_views)
        videos = data.videos(use)
        data.sources[use] = (
            TrainClipsWithTokens(store, videos, shape, data.train_transform, data.seed)
            if use == "train"
            else ClipsWithTokens(store, videos, shape)
        )
    backbone.train()  # as it was before it was asked


@rank_zero_only
def _tell_disk(stores: dict[str, FeatureStore], root: str) -> None:
    """Says beforehand what the tokens take."""
    missing = sum(store.missing_bytes() for store in stores.values())
    total = sum(store.row_bytes * store.numbers.size for store in stores.values())
    rows = {USES[use]: f"{store.numbers.size} x {decimal(store.row_bytes)}" for use, store in stores.items()}
    rows["disk"] = f"{decimal(total)} in {root}, {decimal(missing)} of it yet to be written"
    summary("tokens of every block, for the side network", rows)


def _layers(cfg: DictConfig, backbone: Backbone) -> list[int]:
    """The blocks that are kept: the one that is read and, of frames' features of the whole encoder, those of the config
    too, for probes of them; all tokens of others would take too much of the disk."""
    last = len(backbone.blocks)
    if backbone.reads == "tokens" or cfg.model.get("depth") is not None:
        return [last]
    return sorted({*(cfg.features.layers or default_layers(backbone.encoder)), last})
