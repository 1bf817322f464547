"""Finished and running runs as tables: a row per run, a row per logged step.

A run is a folder with a `run.json`, which training writes first; `config.yaml` and `metrics.csv` lie beside it.
"""

import json
import math
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from video_adapters.analysis.finding import Unanswerable
from video_adapters.analysis.runs.test_files import pair_accuracy, read_confusion
from video_adapters.commands import command
from video_adapters.commands.config import PROJECT, leaves
from video_adapters.trust.config_file import bounded, read_config

MALFORMED = (ValueError, LookupError, ArithmeticError, TypeError, AttributeError)  # what records of other forms raise
_BROKEN = (OSError, RecursionError, *MALFORMED)  # and their files
JUDGED = ("val/top1", "val/mAP")
"""What validation is judged by, where videos have one class, and where they may have several."""

_PLUMBING = ("callbacks", "logger", "run_dir", "resume", "name")  # parts of a config that say nothing about the model


def runs_folder() -> Path:
    """Where runs are looked for: RUNS or else LOG_DIR, of the environment or `.env`; else logs/ of the project."""
    command.read_environment()
    return PROJECT / (os.environ.get("RUNS") or os.environ.get("LOG_DIR") or "logs")


def read_runs(folder: str | Path) -> pd.DataFrame:
    """A row per run at any depth of `folder`, in the order of their start.

    Columns: path, name, started, wall_time (from the start to the end, or the last logged figure; interruptions
    included), steps, best_val_top1 or, where videos have several classes, best_val_mAP, best_epoch (counted from 1, as
    training prints it), the test's scores (`test/top1`, ...; `test/pair`, see `pair_accuracy`), clips_per_s and
    data_wait (medians), peak_memory_gib, finished, checkpoint_bytes (of `best.ckpt`: what trains, and little else),
    whatever else `run.json` holds (parameters, trainable_parameters, git_commit, overrides, choices.adapter, ...), and
    the config (`config.adapter.ratio`, ...).
    What a run does not have is missing in its row. Runs that cannot be read are named in a warning.

    Raises:
        Unanswerable: there is no readable run.
    """
    rows, broken = [], []
    for run in _find(folder):
        try:
            rows.append(_row(run))
        except _BROKEN as error:
            broken.append(f"{run}: {first_line(error)}")
    notes = "".join(f"\n  {note}" for note in broken)
    if not rows:
        raise Unanswerable(
            f"no run in {Path(folder).absolute()}: looked for folders at any depth that hold a run.json, a config.yaml "
            f"and, from the first logged step on, a metrics.csv; `python src/train.py` makes one{notes}"
        )
    if broken:
        warnings.warn(f"{len(broken)} of {len(broken) + len(rows)} runs cannot be read:{notes}", stacklevel=2)
    return pd.DataFrame(rows).sort_values("started", ignore_index=True)


def read_metrics(run: str | Path) -> pd.DataFrame:
    """Everything that a run logged, a row per step, indexed by it; steps count from 0, as in `metrics.csv`.

    Training, validation and callbacks log a step in rows of their own; they become one.

    Raises:
        Unanswerable: `metrics.csv` is missing or holds something else.
    """
    path = Path(run) / "metrics.csv"
    if not path.is_file():
        raise Unanswerable(f"there is no {path}: the folder is not a run's, or its run has not logged a step yet")
    try:
        rows = pd.read_csv(path).apply(pd.to_numeric)
        merged = rows.groupby("step").last()
        return merged.set_index(merged.index.astype(int))
    except _BROKEN as error:
        raise Unanswerable(f"{path} is not what a run logs: {first_line(error)}") from error


def _find(folder: str | Path) -> Iterator[Path]:
    """Folders with a run.json; what lies inside of one (checkpoints, W&B's files) is its own affair."""
    for path, folders, files in os.walk(folder):
        folders.sort()
        if "run.json" in files:
            folders.clear()
            yield Path(path)


def _row(run: Path) -> dict[str, Any]:
    record = json.loads(bounded(run / "run.json"))
    config = read_config(run)
    metrics = read_metrics(run) if (run / "metrics.csv").exists() else pd.DataFrame()
    ended = record.pop("finished", None)
    row = described(str(run), record, config, metrics)
    row["wall_time"] = _wall_time(run, row["started"], ended)
    row["finished"] = ended is not None or _went_through(config, metrics)
    best = run / "checkpoints" / "best.ckpt"
    row["checkpoint_bytes"] = best.stat().st_size if best.is_file() else math.nan
    confusion = read_confusion(run)
    return row | {"test/pair": math.nan if confusion is None else pair_accuracy(confusion)}


def described(path: str, record: dict[str, Any], config: dict[str, Any], metrics: pd.DataFrame) -> dict[str, Any]:
    """The part of a run's row that is the same wherever the run is kept: of the content of its `run.json`, its nested
    config, and its metrics as `read_metrics` gives them."""
    row = {"path": path, "name": config["name"], "started": _moment(record["started"])}
    row |= _figures(metrics, record.get("scores", {}), _monitored(config))
    if pd.isna(row["peak_memory_gib"]):  # of a run that trained no step
        row["peak_memory_gib"] = record.get("peak_memory_gib", math.nan)
    others = leaves({key: value for key, value in record.items() if key not in ("started", "scores")})
    row |= {key: " ".join(value) if isinstance(value, list) else value for key, value in others if key not in row}
    settings = leaves({name: value for name, value in config.items() if name not in _PLUMBING})
    return row | {
        f"config.{key}": str(value) if isinstance(value, list) else value
        for key, value in settings
        if not key.endswith("_partial_")
    }


def _monitored(config: dict[str, Any]) -> str:
    """The figure that chose a run's checkpoint; "" of runs from before there was a choice."""
    figures, labels = config.get("best_by") or {}, config.get("data", {}).get("labels", "one")
    return f"val/{figures[labels]}" if labels in figures else ""


def _figures(metrics: pd.DataFrame, scores: dict[str, float], monitored: str) -> dict[str, Any]:
    """The logged steps in a run's row; `scores` are those that it noted at its end, and validation's are those of the
    epoch that its checkpoint is of."""
    figures: dict[str, Any] = {"steps": _steps(metrics), "best_epoch": math.nan}
    figures |= {f"best_{name.replace('/', '_')}": scores.get(name, math.nan) for name in JUDGED}
    if (name := judged_by(metrics)) is not None:
        chosen = metrics[monitored if monitored in metrics and metrics[monitored].notna().any() else name]
        best = chosen.idxmax()  # the first of equals, as the checkpoint
        epoch = metrics.get("epoch", {}).get(best, math.nan)  # none of a score ahead of the first step
        figures[f"best_{name.replace('/', '_')}"] = metrics[name][best]
        figures["best_epoch"] = 0 if pd.isna(epoch) else int(epoch) + 1
        figures["val/videos"] = metrics["val/videos"][best] if "val/videos" in metrics else math.nan
    tests = metrics.filter(like="test/").dropna(how="all")
    figures |= tests.iloc[-1].to_dict() if len(tests) else {}
    figures |= {name: value for name, value in scores.items() if "test/" in name}
    speeds = metrics.reindex(columns=["speed/clips_per_s", "speed/data_wait", "speed/peak_memory_gib"])
    figures |= {"clips_per_s": speeds.iloc[:, 0].median(), "data_wait": speeds.iloc[:, 1].median()}
    return figures | {"peak_memory_gib": speeds.iloc[:, 2].max()}


def judged_by(metrics: pd.DataFrame) -> str | None:
    """The figure of `JUDGED` that a run has logged; None where it was not validated."""
    return next((name for name in JUDGED if name in metrics and metrics[name].notna().any()), None)


def validation_scores(runs: pd.DataFrame) -> pd.Series:
    """What rows of `read_runs` came to in validation: top-1 or, where videos have several classes, mAP."""
    top1, mean = (runs.get(f"best_{name.replace('/', '_')}", pd.Series(math.nan, runs.index)) for name in JUDGED)
    return top1.fillna(mean)


def _steps(metrics: pd.DataFrame) -> int:
    """Optimizer steps, as far as they were logged; tests are logged at the number of steps, all else before it."""
    training, tests = (metrics.filter(regex=name).dropna(how="all").index for name in ("^(train|val)/", "test/"))
    return max([0, *training[-1:] + 1, *tests[-1:]])


def _went_through(config: dict[str, Any], metrics: pd.DataFrame) -> bool:
    """Whether a run that does not say that it finished came to its test or, without one, validated its last epoch."""
    if config.get("test", True):
        return bool(metrics.filter(regex="test/(top1|mAP)$").notna().any(axis=None))
    name = judged_by(metrics)
    validated = pd.Series(dtype=float) if name is None else metrics["epoch"][metrics[name].notna()]
    return bool((validated + 1 == config["trainer"]["max_epochs"]).any())


def _wall_time(run: Path, started: pd.Timestamp, ended: str | None) -> pd.Timedelta:
    path = run / "metrics.csv"
    if ended is not None:
        return _moment(ended) - started
    if not path.exists():
        return pd.NaT
    return (pd.Timestamp(path.stat().st_mtime, unit="s", tz="UTC") - started).round("s")


def _moment(text: str) -> pd.Timestamp:
    """A time of a record in UTC, which it is taken for where it names no zone: the two kinds cannot be compared."""
    time = pd.Timestamp(text)
    return time.tz_localize("UTC") if time.tz is None else time.tz_convert("UTC")


def first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
