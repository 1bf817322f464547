"""Costs of the models of runs, counted from their configs."""

import json
from typing import Any

import pandas as pd
from omegaconf import OmegaConf

from video_adapters.model.build import cost
from video_adapters.model.cost import Cost
from video_adapters.trust.arguments import buildable
from video_adapters.trust.config_file import read_config

_MODEL = ("model", "adapter", "head", "data", "memory")  # parts of a config that the counts depend on


def with_costs(runs: pd.DataFrame) -> pd.DataFrame:
    """Rows of `read_runs` with `macs` (of one view, as published) and `macs_run` (as computed here) beside them.

    Each model is counted once, on the meta device: a second for the largest. Where there is no config, or one that can
    no longer be built, the counts are missing.
    """
    by_model: dict[str, Cost | None] = {}
    counts: list[Cost | None] = []
    for path in runs["path"]:
        config = _config(path)
        model = json.dumps({name: config.get(name) for name in _MODEL}, sort_keys=True, default=str)
        if model not in by_model:
            by_model[model] = _count(config)
        counts.append(by_model[model])
    columns = {name: [None if c is None else getattr(c, name) for c in counts] for name in ("macs", "macs_run")}
    return runs.assign(**{name: pd.array(values, dtype="Int64") for name, values in columns.items()})


def _config(run: str) -> dict[str, Any]:
    try:
        return read_config(run)
    except ValueError:  # there is none, or it is more than data
        return {}


def _count(config: dict[str, Any]) -> Cost | None:
    try:
        return cost(OmegaConf.create(buildable(config, "config.yaml")))
    except Exception:  # a config of another version may fail in any part of what it names
        return None
