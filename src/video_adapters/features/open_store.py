"""From a composed config, its data set and a frozen encoder to the store of what the one says of the other."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig

from video_adapters.data.datamodule import VideoData
from video_adapters.features.clip_groups import Draws, FixedViews, RowClips
from video_adapters.features.extraction import Extraction
from video_adapters.features.kinds import (
    EVERY_TOKEN,
    LEAVING,
    TOKENS,
    check_layers,
    default_layers,
    features_of,
    kept_for,
    width_of,
)
from video_adapters.features.rows import rows_of
from video_adapters.features.spec import draws_of, precision_of, spec_of, views_of
from video_adapters.features.store import FeatureStore
from video_adapters.model.backbone import Backbone
from video_adapters.model.hardware import device_of

FRAMES_A_PASS = 128
"""Frames that pass through the encoder at once, where batch.per_device allows: ViT-L/14 takes 2 GB for them."""
KEPT: dict[str, tuple[str, ...]] = {"pooled": (), "all": (TOKENS,), "leaving": (LEAVING,)}
"""Kinds by the name of a choice of tokens; of pooled ones the encoder knows which there are."""
USES = {"train": "training", "val": "validation", "test": "test"}


def open_store(
    backbone: Backbone,
    cfg: DictConfig,
    data: VideoData,
    use: str,
    layers: Sequence[int] | None = None,
    tokens: str | None = None,
) -> FeatureStore:
    """The features of the videos that serve a use, as `cfg.features` says; its `compute` makes those that are missing.

    Args:
        backbone: a frozen encoder, without adapters, made ready for the config's precision.
        cfg: composed from `configs/train.yaml`.
        data: built from it.
        use: train, val or test.
        layers: other blocks than the config's `features` says, counted from 1.
        tokens: another choice than its: pooled, all or leaving.

    Raises:
        ValueError: for impossible settings.
    """
    encoder, asked = backbone.encoder, layers or cfg.features.layers
    kept = tokens or cfg.features.tokens
    if kept not in KEPT:
        raise ValueError(f"features.tokens is {kept}, expected {', '.join(KEPT)}")
    kinds = KEPT[kept] or kept_for(encoder)
    clips, described, draws = _clips(cfg, data, use)
    store = FeatureStore(
        Path(cfg.features.root).expanduser(),
        spec_of(backbone, cfg, data, described, kinds),
        default_layers(encoder) if asked is None else check_layers(encoder, list(asked)),
        _row_shape(backbone, clips.num_views, kinds),
        rows_of(data.videos(use), data.root, draws),
        draws=draws or 1,
        per_pass=max(1, min(FRAMES_A_PASS // data.num_frames, data.per_device) // clips.num_views),
    )
    store.extraction = Extraction(
        store=store,
        clips=clips,
        backbone=backbone,
        device=device_of(cfg.trainer.accelerator),
        precision=precision_of(cfg),
        num_workers=data.num_workers,
        timeout=data.timeout,
        title=f"features of the {USES[use]} videos",
        shown=getattr(rank_zero_only, "rank", 0) == 0,
        minutes=cfg.features.get("minutes"),  # which runs of before have not
    )
    return store


def _clips(cfg: DictConfig, data: VideoData, use: str) -> tuple[RowClips, dict[str, Any], int | None]:
    """The clips of a use, what a specification says of them, and how many random draws there are of each video."""
    draws = cfg.features.views
    if draws is not None and (isinstance(draws, bool) or not isinstance(draws, int) or draws < 1):
        raise ValueError(f"features.views is {draws}, expected a number of draws of each training video, or null")
    if use == "train" and draws is not None:
        return Draws(data.train_clips(), draws), draws_of(cfg), draws
    views = replace(data.views["test"], clips=1, crops=1) if use == "train" else data.views[use]
    return FixedViews(data.test_clips(use, views)), views_of(views, data.image_size), None


def _row_shape(backbone: Backbone, num_views: int, kinds: tuple[str, ...]) -> tuple[int, ...]:
    """(V, P, T, D), or (V, T, N, D) of all tokens."""
    width, times = width_of(backbone.encoder, kinds), backbone.num_times
    if kinds[0] not in EVERY_TOKEN:
        return num_views, len(kinds), times, width
    device = next(backbone.parameters()).device
    blank = torch.zeros(1, backbone.num_frames, 3, *backbone.encoder.image_size, dtype=torch.uint8, device=device)
    with torch.inference_mode():
        ((_, tokens),) = features_of(backbone, blank, [len(backbone.blocks)], kinds)
    return num_views, times, tokens.shape[2], width
