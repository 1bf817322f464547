"""Costs of the models of runs, counted from their configs."""

import json

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
    by_model: dict[str, Cost] = {}
    counts = [_count(path, by_model) for path in runs["path"]]
    columns = {name: [None if c is None else getattr(c, name) for c in counts] for name in ("macs", "macs_run")}
    return runs.assign(**{name: pd.array(values, dtype="Int64") for name, values in columns.items()})


def _count(run: str, by_model: dict[str, Cost]) -> Cost | None:
    try:
        config = read_config(run)
        model = json.dumps({name: config.get(name) for name in _MODEL}, sort_keys=True, default=str)
        if model not in by_model:
            by_model[model] = cost(OmegaConf.create(buildable(config, "config.yaml")))
        return by_model[model]
    except Exception:  # there is no config, it is more than data, or of a version that fails in any part that it names
        return None
