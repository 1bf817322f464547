"""Configs that come from a file, a checkpoint's or a run folder's: data, checked whole before anything is built."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from video_adapters.trust.targets import GONE, RENAMED, Key, allowed, wildcard

MOST_VALUES, MOST_DEPTH = 20_000, 20  # a run's config has about 200 values, five levels deep
MOST_BYTES = 2**20  # of config.yaml and run.json, which have 6 kB and 2 kB
PLAIN = (str, int, float, bool, type(None))
SPECIAL = ("_target_", "_partial_")  # of Hydra's own keys


def as_data(config: Any, source: str | Path) -> dict[str, Any]:
    """A copy of a file's config in which there is nothing but data: plain values, and targets that `configs/` has too.

    Raises:
        ValueError: for other types, interpolations, keys by which Hydra calls, and targets that are not of `configs/`.
    """
    try:
        if not isinstance(config, dict):
            raise ValueError("it is no config")
        for key, value in walk(config):
            _check_value(key, value)
    except ValueError as error:
        raise ValueError(f"{source} is refused, and nothing of it was run: {error}") from error
    return _as_written_now(config)


def _as_written_now(config: dict[str, Any]) -> dict[str, Any]:
    """A copy of an earlier version's config as this one writes it: targets by their new names, no dropped keys."""
    tree: dict[str, Any] = copy.deepcopy(config)
    for key, node in list(walk(tree)):
        if isinstance(node, dict):
            for name in [name for name in node if ".".join((*key, name)) in GONE]:
                del node[name]
            if "_target_" in node:
                node["_target_"] = RENAMED.get(node["_target_"], node["_target_"])
    return tree


def read_config(folder: str | Path) -> dict[str, Any]:
    """The `config.yaml` of a run's folder, its own `${run_dir}` replaced by where the folder lies now.

    Raises:
        ValueError: it is missing, no such config, or refused by `as_data`.
    """
    file = Path(folder) / "config.yaml"
    if not file.is_file():
        raise ValueError(f"there is no {file}")
    try:
        text = _flat_enough(bounded(file))
        config = OmegaConf.to_container(OmegaConf.create(text), resolve=False)
    except (OSError, ValueError, RecursionError, yaml.YAMLError, OmegaConfBaseException) as error:
        raise ValueError(f"{file} cannot be read as a run's config: {' '.join(str(error).split())[:300]}") from error
    return as_data(_placed(config, str(folder)), file)


def bounded(file: Path) -> str:
    """The text of one of the files by which a run says what it is.

    Raises:
        ValueError: it is too large, or a pipe or a device, which never end.
    """
    if file.exists() and not file.is_file():
        raise ValueError("it is no file")
    with file.open("rb") as opened:
        content = opened.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES} bytes")
    return content.decode()


def _flat_enough(text: str) -> str:
    """The text of a YAML file, refused where its depth or an alias would make reading it take much."""
    depth = 0
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("it has an alias, *" + str(event.anchor))
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_DEPTH:
            raise ValueError(f"it is more than {MOST_DEPTH} levels deep")
    return text


def _placed(value: Any, folder: str) -> Any:
    """The config of a run in a folder."""
    if isinstance(value, dict):
        return {name: folder if name == "run_dir" else _placed(child, folder) for name, child in value.items()}
    if isinstance(value, list):
        return [_placed(child, folder) for child in value]
    return value.replace("${run_dir}", folder) if isinstance(value, str) else value


def walk(tree: Any) -> Iterator[tuple[Key, Any]]:
    """Every value with its key, the containers before what is in them.

    Raises:
        ValueError: there are too many, or it never ends.
    """
    waiting: list[tuple[Key, Any]] = [((), tree)]
    count = 0
    while waiting:
        key, value = waiting.pop()
        count += 1
        if count > MOST_VALUES or len(key) > MOST_DEPTH:
            raise ValueError(f"its config is larger than {MOST_VALUES} values or deeper than {MOST_DEPTH} levels")
        yield key, value
        children = value.items() if isinstance(value, dict) else enumerate(value) if _is_list(value) else ()
        waiting += [((*key, str(name)), child) for name, child in children]


def _check_value(key: Key, value: Any) -> None:
    name = ".".join(key) or "the config"
    if isinstance(value, dict):
        _check_names(key, value)
    elif type(value) not in PLAIN and not _is_list(value):
        raise ValueError(f"{name} is a {type(value).__name__}, expected text, a number, a list or a table of these")
    elif isinstance(value, str) and "${" in value:
        raise ValueError(f"{name} is the interpolation {value!r}, expected a value")


def _check_names(key: Key, node: dict[Any, Any]) -> None:
    for name in node:
        if type(name) is not str or "${" in name:
            raise ValueError(f"{'.'.join(key) or 'the config'} has the key {name!r}, expected a name")
        if name.startswith("_") and name.endswith("_") and name not in SPECIAL:
            raise ValueError(f"{'.'.join((*key, name))} is a key by which Hydra calls functions")
    if type(node.get("_partial_", False)) is not bool:
        raise ValueError(f"{'.'.join(key)}._partial_ is {node['_partial_']!r}, expected true or false")
    if "_target_" in node:
        _check_target(key, node["_target_"])


def _check_target(key: Key, target: Any) -> None:
    choices = allowed().get(wildcard(key), frozenset())
    if not isinstance(target, str) or RENAMED.get(target, target) not in choices:
        raise ValueError(
            f"{'.'.join((*key, '_target_'))} is {target!r}, expected "
            + (f"one of {', '.join(sorted(choices))}" if choices else "no target there")
            + ", which are those of configs/ (a config of your own there makes its target known)"
        )


def _is_list(value: Any) -> bool:
    return type(value) in (list, tuple)
