"""Runs of a W&B project as the table that `read_runs` makes of a folder."""

import warnings
from typing import Any

import pandas as pd
import wandb

from video_adapters.analysis.runs.folder import MALFORMED, described, first_line
from video_adapters.trust.config_file import as_data

# what `run.json` holds, which W&B keeps beside the config
_RECORD = (
    "wandb_id", "overrides", "command", "started", "git_commit", "choices", "parameters", "trainable_parameters",
    "encoder_licence",
)  # fmt: skip
_STEP = "trainer/global_step"


def read_wandb(project: str, api: Any = None) -> pd.DataFrame:
    """A row per run of `entity/project`, in the order of their start, with the columns of `read_runs`.

    `path` is the run's address. Curves and confusions (`test/pair`) stay with W&B. Runs whose config is more than data,
    or lacks what a run says, are named in a warning. `api` stands in for `wandb.Api()`.

    Raises:
        ValueError: W&B cannot be reached, there is no key, no such project, or no run of this code in it.
    """
    rows, refused = [], []
    try:
        for run in (api or _api()).runs(project):
            if "started" in run.config:
                try:
                    rows.append(_row(run, as_data(dict(run.config), run.url)))
                except MALFORMED as error:
                    refused.append(f"{run.url}: {first_line(error)}")
    except (wandb.Error, OSError, ValueError) as error:  # OSError: requests' errors are such
        raise ValueError(
            f"the W&B project '{project}' cannot be read: {str(error).splitlines()[0]}. Its name is ENTITY/PROJECT, it "
            "takes a network and a key (wandb login); runs that are on this disk, offline or not, are read by read_runs"
        ) from error
    notes = "".join(f"\n  {note}" for note in refused)
    if not rows:
        raise ValueError(f"the W&B project '{project}' holds no run of this code{notes}")
    if refused:
        warnings.warn(f"{len(refused)} of {len(refused) + len(rows)} runs are refused:{notes}", stacklevel=2)
    return pd.DataFrame(rows).sort_values("started", ignore_index=True)


def _api() -> Any:
    if not wandb.login(prompt=False):
        raise ValueError("there is no key")
    return wandb.Api()


def _row(run: Any, config: dict[str, Any]) -> dict[str, Any]:
    record = {key: config.pop(key) for key in _RECORD if key in config}
    row = described(run.url, record, config, _metrics(run))
    return row | {
        "wall_time": pd.Timedelta(seconds=run.summary.get("_runtime", float("nan"))),
        "finished": run.state == "finished",
        "git_commit": record.get("git_commit") or run.commit,
    }


def _metrics(run: Any) -> pd.DataFrame:
    """The run's history as `read_metrics` gives it: a row per step."""
    rows = pd.DataFrame(list(run.scan_history()))
    if _STEP not in rows:
        return pd.DataFrame()
    numbers = rows.apply(pd.to_numeric, errors="coerce")  # tables and pictures are no numbers
    merged = numbers.dropna(subset=[_STEP]).groupby(_STEP).last()
    return merged.set_index(merged.index.astype(int))
