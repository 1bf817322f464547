"""Costs of the models of runs, counted from their configs."""

import json
from typing import NamedTuple

import pandas as pd
from omegaconf import OmegaConf

from video_adapters.model.build import cost
from video_adapters.training.planning.trace import kept_bytes
from video_adapters.trust.arguments import buildable
from video_adapters.trust.config_file import read_config

_MODEL = ("model", "adapter", "head", "data", "memory", "batch", "trainer")  # what the counts depend on


class Counts(NamedTuple):
    """What a model costs; None where it cannot be built any more, or not be traced."""

    macs: int | None = None  # of one view, as published
    macs_run: int | None = None  # as computed here
    kept_bytes: float | None = None  # for the backward pass, a clip


def with_costs(runs: pd.DataFrame) -> pd.DataFrame:
    """Rows of `read_runs` with the `Counts` of their models beside them.

    Each model is counted once, on the meta device: seconds for the largest. Where there is no config, or one that can
    no longer be built, the counts are missing.
    """
    by_model: dict[str, Counts] = {}
    counts = pd.DataFrame([_count(path, by_model) for path in runs["path"]], index=runs.index, columns=Counts._fields)
    return runs.assign(**{name: pd.array(counts[name], dtype="Int64") for name in ("macs", "macs_run")}).assign(
        kept_bytes=pd.to_numeric(counts["kept_bytes"])
    )


def _count(run: str, by_model: dict[str, Counts]) -> Counts:
    try:
        config = read_config(run)
        model = json.dumps({name: config.get(name) for name in _MODEL}, sort_keys=True, default=str)
        if model not in by_model:
            cfg = OmegaConf.create(buildable(config, "config.yaml"))
            counts = cost(cfg)
            by_model[model] = Counts(counts.macs, counts.macs_run, kept_bytes(cfg))
        return by_model[model]
    except Exception:  # there is no config, it is more than data, or of a version that fails in any part that it names
        return Counts()
