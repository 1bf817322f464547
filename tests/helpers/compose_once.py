"""Hydra's composing, done once per process for the same choices of the project's config groups.

A toy run composes thirty files and computes for a second: reading, listing and merging them, which depends on the
choices alone (`adapter=aim`), took a fifth of it. Values (`optim.lr=1e-2`) are parsed once each and set as ever.
"""

import pickle
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from hydra._internal import config_loader_impl, defaults_list
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository, ConfigRepository, IConfigRepository
from hydra._internal.defaults_list import DefaultsList, Overrides, ResultDefault
from hydra.core.default_element import InputDefault
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, OmegaConf

CONFIGS = Path(__file__).parents[2] / "configs"

_parse = OverridesParser.parse_rule
_load = ConfigRepository.load_config
_list = config_loader_impl.create_defaults_list
_merge = ConfigLoaderImpl._compose_config_from_defaults_list
_load_one = ConfigLoaderImpl._load_single_config
_map = defaults_list._create_interpolation_map

_parsed: dict[str, Override] = {}
_loaded: dict[str, bytes] = {}
_listed: dict[tuple[Any, ...], DefaultsList] = {}
_merged: dict[tuple[Any, ...], bytes] = {}  # pickled, which copies faster than deepcopy


def _is_ours(repo: IConfigRepository) -> bool:
    """Whether the project's folder is the only one that configs come from."""
    others = [s.path for s in repo.get_sources() if s.provider == "main" or "searchpath" in s.provider]
    return others == [str(CONFIGS)]


def _parse_once(self: OverridesParser, s: str, rule_name: str) -> Any:
    if rule_name != "override":
        return _parse(self, s, rule_name)
    if s not in _parsed:
        _parsed[s] = _parse(self, s, rule_name)
    return copy(_parsed[s])


def _load_once(self: ConfigRepository, config_path: str) -> ConfigResult | None:
    if not _is_ours(self):
        return _load(self, config_path)
    if config_path not in _loaded:
        _loaded[config_path] = pickle.dumps(_load(self, config_path))
    return pickle.loads(_loaded[config_path])  # a copy: composing changes what it was given


def _cache_of(self: CachingConfigRepository, delegate: IConfigRepository) -> None:
    self.delegate = copy(delegate)  # whose search path may be replaced, but not changed: no deepcopy
    self.cache = {}


def _list_once(
    repo: IConfigRepository, config_name: str | None, overrides_list: list[Override], **how: Any
) -> DefaultsList:
    if not _is_ours(repo):
        return _list(repo=repo, config_name=config_name, overrides_list=overrides_list, **how)
    values = Overrides(repo=repo, overrides_list=overrides_list).config_overrides
    choices = [one.input_line for one in overrides_list if not any(one is value for value in values)]
    key = (config_name, *choices, *how.values())
    if key not in _listed:
        _listed[key] = _list(repo=repo, config_name=config_name, overrides_list=overrides_list, **how)
    return replace(_listed[key], config_overrides=values)


def _map_if_needed(overrides: Overrides, defaults: list[InputDefault], self_added: bool) -> DictConfig:
    """What `${...}` in a list of defaults can refer to, which few do, and Hydra makes for each: most of the listing."""
    return _map(overrides, defaults, self_added) if any(d.is_interpolation() for d in defaults) else OmegaConf.create()


@dataclass
class _Group(ResultDefault):
    """The first configs of the list that go below one key, merged."""

    merged: Any = field(default=None, compare=False)


def _merge_kept(loader: ConfigLoaderImpl, defaults: list[ResultDefault], repo: IConfigRepository) -> DictConfig:
    key = tuple((one.config_path, one.package, one.is_self) for one in defaults)
    if key not in _merged:
        _merged[key] = pickle.dumps(_merge(loader, defaults, repo))
    return pickle.loads(_merged[key])


def _merge_once(self: ConfigLoaderImpl, defaults: list[ResultDefault], repo: IConfigRepository) -> DictConfig:
    if not _is_ours(repo):
        return _merge(self, defaults, repo)
    key = tuple((one.config_path, one.package, one.is_self) for one in defaults)
    if key not in _merged:
        _merged[key] = pickle.dumps(_merge(self, list(_grouped(self, defaults, repo)), repo))
    return pickle.loads(_merged[key])


def _grouped(
    loader: ConfigLoaderImpl, defaults: list[ResultDefault], repo: IConfigRepository
) -> Iterator[ResultDefault]:
    """The list with neighbours of one key as one: below a key that nothing was merged into before, their order is all
    that counts, and other choices of the other groups have the same."""
    seen: set[str] = set()
    for key, neighbours in groupby(defaults, lambda one: (one.package or "").partition(".")[0]):
        if key and not (key in seen or "" in seen):
            merged = _merge_kept(loader, list(neighbours), repo)
            yield _Group(config_path=f"{key}/...", merged=merged)
        else:
            yield from neighbours
        seen.add(key)


def _load_group(self: ConfigLoaderImpl, default: ResultDefault, repo: IConfigRepository) -> ConfigResult:
    if isinstance(default, _Group):
        return ConfigResult(provider="", path="", config=default.merged, header={})
    return _load_one(self, default, repo)


HYDRAS: list[tuple[Any, str, Any]] = []
"""What is replaced: where, its name, and Hydra's own."""

for owner, ours in (
    (OverridesParser, {"parse_rule": _parse_once}),
    (ConfigRepository, {"load_config": _load_once}),
    (CachingConfigRepository, {"__init__": _cache_of}),
    (defaults_list, {"_create_interpolation_map": _map_if_needed}),
    (config_loader_impl, {"create_defaults_list": _list_once}),
    (
        ConfigLoaderImpl,
        {"_compose_config_from_defaults_list": _merge_once, "_load_single_config": _load_group},
    ),
):
    for name, function in ours.items():
        HYDRAS.append((owner, name, getattr(owner, name)))
        setattr(owner, name, function)
