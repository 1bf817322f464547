"""A checkpoint's config with what a command gives in its place."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from video_adapters.commands.config import flat, leaves, meant
from video_adapters.trust.arguments import buildable

OF_EVALUATION = {"checkpoint", "run_dir", "name", "logger", "data.report"}
"""Keys of an evaluation itself; the others replace the checkpoint's. (What a run left out of training by a report is
no reason to leave anything out of the test: only the evaluation's own report does.)"""


def with_overrides(config: dict[str, Any], cfg: DictConfig, path: str | Path) -> DictConfig:
    """The config of the checkpoint at a path with every non-null leaf of `cfg` in its place.

    Raises:
        ValueError: for a config that nothing is built of, and for a key that it does not have.
    """
    given: Any = OmegaConf.to_container(cfg, resolve=True)
    changes = {
        key: value
        for key, value in leaves(given)
        if value is not None and not OF_EVALUATION & {key, key.partition(".")[0]}
    }
    merged = OmegaConf.create(buildable(config, path, changes))
    for key, value in changes.items():
        parent, _, name = key.rpartition(".")
        group = OmegaConf.select(merged, parent) if parent else merged
        if not isinstance(group, DictConfig) or name not in set(group):  # ??? is not "in" a group
            there = ", ".join(map(str, group)) if isinstance(group, DictConfig) else "nothing"
            raise ValueError(
                f"{key} is no key of the checkpoint's config{meant(key, [*flat(config)])}, where {parent or 'the top'} "
                f"has {there}"
            )
        OmegaConf.update(merged, key, value)
    return merged
