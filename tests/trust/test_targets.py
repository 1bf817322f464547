"""Targets that files may name are those of configs/, found by reading them as Hydra does not: as plain YAML."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.utils import get_object
from omegaconf import OmegaConf

from video_adapters.commands.config import config_names
from video_adapters.trust import config_file
from video_adapters.trust.arguments import buildable
from video_adapters.trust.config_file import as_data
from video_adapters.trust.targets import RENAMED, allowed

from helpers.toy import CONFIGS, composed


def named(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        yield from [tree["_target_"]] if "_target_" in tree else []
        for value in tree.values():
            yield from named(value)


def test_the_targets_of_configs_are_allowed_and_no_others() -> None:
    there = {name for file in CONFIGS.rglob("*.yaml") for name in named(yaml.safe_load(file.read_text()))}
    assert set().union(*allowed().values()) == there
    assert len(there) > 30


def test_each_target_exists() -> None:
    for name in set().union(*allowed().values()):
        assert callable(get_object(name)), name


@pytest.mark.parametrize("experiment", config_names("experiment"))
def test_a_checkpoint_of_every_experiment_can_be_built_again(experiment: str) -> None:
    cfg = composed(f"experiment={experiment}", "data.num_classes=5", "data.root=/videos", "name=x", "run_dir=/runs/x")
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    config.pop("probe", None)  # the run that a probe becomes has none
    assert "cached_only" not in buildable(config, "it")["model"]


@pytest.mark.slow
@pytest.mark.parametrize("key", ["data", "model", "adapter", "views", "optim", "head", "logger"])
def test_every_choice_of_a_group_can_be_built_again(key: str) -> None:
    for name in config_names(key):
        networks = {"timm": "vit_base_patch16_224.augreg_in21k", "open_clip": "ViT-B-16"}  # which have no default
        named = [f"model.name={networks[name]}"] if key == "model" and name in networks else []
        cfg = composed(f"{key}={name}", *named, "data.num_classes=5", "data.root=/videos", "name=x", "run_dir=/runs/x")
        config: Any = OmegaConf.to_container(cfg, resolve=True)
        assert buildable(config, "it")


def test_targets_that_have_moved_are_known_by_their_new_names() -> None:
    assert RENAMED.keys().isdisjoint(set().union(*allowed().values()))
    assert set(RENAMED.values()) <= set().union(*allowed().values())


def test_every_target_of_the_version_before_the_rooms_has_a_present_name() -> None:
    old = (Path(__file__).parents[1] / "old_runs" / "targets.txt").read_text().split()
    assert len(old) == 43
    assert {RENAMED.get(name, name) for name in old} <= set().union(*allowed().values())


def test_an_old_name_is_translated_before_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    old = {"head": {"_target_": "video_adapters.heads.Mean"}}
    with pytest.raises(ValueError, match=r"head\._target_ is 'video_adapters\.heads\.Mean', expected one of"):
        as_data(old, "it")
    monkeypatch.setattr(
        config_file, "RENAMED", {"video_adapters.heads.Mean": "video_adapters.model.heads.mean.MeanHead"}
    )
    assert as_data(old, "it") == {"head": {"_target_": "video_adapters.model.heads.mean.MeanHead"}}
    assert old["head"]["_target_"] == "video_adapters.heads.Mean"  # the file's own stays
