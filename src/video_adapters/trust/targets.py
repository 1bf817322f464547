"""The targets that a config from a file may name: those of `configs/`, each under the key where it stands there."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from video_adapters.commands.config import CONFIGS, config_names

RENAMED: Mapping[str, str] = {
    f"video_adapters.{old}": f"video_adapters.{new}"
    for old, new in {
        "data.augment.RandAugment": "data.clips.augment.RandAugment",
        "data.datamodule.Views": "data.views.Views",
        "data.moving_shapes.MovingShapes": "data.shapes.moving_shapes.MovingShapes",
        "data.sample.Segments": "data.clips.sample.Segments",
        "data.sample.Strided": "data.clips.sample.Strided",
        "data.transform.TrainTransform": "data.clips.transform.TrainTransform",
        "memory.card.Card": "memory.gpu.Gpu",
        "model.head.MeanHead": "model.heads.mean.MeanHead",
        "training.broken_videos.BrokenVideos": "training.callbacks.broken_videos.BrokenVideos",
        "training.broken_videos.UnreadTests": "training.callbacks.broken_videos.UnreadTests",
        "training.finite.Finite": "training.callbacks.finite.Finite",
        "training.last_checkpoint.LastCheckpoint": "training.callbacks.last_checkpoint.LastCheckpoint",
        "training.memory_check.MemoryCheck": "training.planning.memory_check.MemoryCheck",
        "training.predictions.Predictions": "training.callbacks.predictions.Predictions",
        "training.progress.EpochLines": "training.callbacks.progress.EpochLines",
        "training.random_state.RandomState": "training.callbacks.random_state.RandomState",
        "training.resized_videos.ResizedVideos": "training.callbacks.resized_videos.ResizedVideos",
        "training.speed.Speed": "training.callbacks.speed.Speed",
    }.items()
}
"""Targets that have moved, by the names that files of earlier versions have for them."""

GONE = ("published",)
"""Keys that earlier versions had, and nothing reads."""

FREE = ("callbacks", "logger")  # groups whose entries are named as one likes

Key = tuple[str, ...]


def wildcard(key: Key) -> Key:
    """A key as `allowed` has it: entries of callbacks and loggers are all called *."""
    return (key[0], "*", *key[2:]) if len(key) > 1 and key[0] in FREE else key


@cache
def allowed() -> Mapping[Key, frozenset[str]]:
    """The targets of `configs/` by their key. Who adds a config adds its targets, and nobody else can."""
    by_key: dict[Key, set[str]] = {}
    for file in sorted(CONFIGS.rglob("*.yaml")):
        text = file.read_text(encoding="utf-8")
        if "_target_" in text:
            for key, target in _targets(yaml.safe_load(text), _package(file, text)):
                by_key.setdefault(wildcard(key), set()).add(target)
    return {key: frozenset(targets) for key, targets in by_key.items()}


@cache
def published() -> frozenset[tuple[str, str]]:
    """Networks of `configs/model` with the tag of their weights: what is fetched when a file asks for it."""
    files = [CONFIGS / "model" / f"{name}.yaml" for name in config_names("model")]
    configs = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in files]
    return frozenset((config["encoder"]["model_name"], config["weights"]) for config in configs if config["weights"])


def _package(file: Path, text: str) -> Key:
    """Where Hydra puts the content of a config file."""
    header = re.search(r"^# @package (\S+)", text, re.MULTILINE)
    if header is None:
        return file.relative_to(CONFIGS).parent.parts
    return () if header[1] == "_global_" else tuple(header[1].split("."))


def _targets(tree: Any, key: Key) -> Iterator[tuple[Key, str]]:
    if not isinstance(tree, dict):
        return
    if "_target_" in tree:
        yield key, tree["_target_"]
    for name, value in tree.items():
        yield from _targets(value, (*key, str(name)))
