"""Tables of means and spreads as people read them: units in the titles, `96.7 ± 0.4` in the cells."""

from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from video_adapters.analysis.runs.folder import validation_scores
from video_adapters.analysis.runs.labels import labels
from video_adapters.commands.intervals import between


class Column(NamedTuple):
    """How a column of figures is shown."""

    title: str  # with its unit
    factor: float  # that the figures are multiplied by
    decimals: int

    def text(self, value: Any) -> str:
        """A figure in its unit."""
        return "–" if pd.isna(value) else f"{value * self.factor:.{self.decimals}f}"


COLUMNS = {
    "test/top1": Column("top-1, test (%)", 100, 1),
    "test/top5": Column("top-5, test (%)", 100, 1),
    "val_as_test/top1": Column("top-1 of validation, which chose the checkpoint, in the test's views (%)", 100, 1),
    "best_val_top1": Column("top-1, validation (%)", 100, 1),
    "test/mAP": Column("mAP, test (%)", 100, 1),
    "best_val_mAP": Column("mAP, validation (%)", 100, 1),
    "test/pair": Column("right pair, either direction (%)", 100, 1),
    "trainable_parameters": Column("parameters that train (M)", 1e-6, 3),
    "macs": Column("GMACs a view", 1e-9, 3),
    "kept_bytes": Column("kept for the backward pass (MiB a clip)", 2**-20, 2),
    "step_seconds": Column("a step, on the machine that trained (ms, median)", 1000, 0),
    "checkpoint_bytes": Column("checkpoint (MB)", 1e-6, 3),
    "minutes": Column("minutes a run (median)", 1, 1),
    "clips_per_s": Column("training clips per second", 1, 0),
    "s_per_1000": Column("training seconds per 1000 clips", 1, 1),
    "data_wait": Column("time waiting for data (%)", 100, 0),
    "peak_memory_gib": Column("memory (GiB)", 1, 1),
    "best_epoch": Column("best epoch", 1, 0),
    "steps": Column("steps", 1, 0),
}
OVERVIEW = (
    "best_val_top1", "best_val_mAP", "test/top1", "test/top5", "test/mAP", "val_as_test/top1", "data_wait",
    "clips_per_s", "peak_memory_gib", "trainable_parameters", "best_epoch", "steps",
)  # fmt: skip
SCORED = {"best_val_top1": "val/videos", "test/top1": "test/videos", "val_as_test/top1": "val_as_test/videos"}
"""Accuracies that get their interval in an overview, and the number of videos that each is of."""


def presentable(means: pd.DataFrame) -> pd.DataFrame:
    """`mean_and_spread`'s table as text, without columns that say nothing."""
    table = means[["runs"]].copy()
    for name, column in COLUMNS.items():
        if name in means and means[name].notna().any():
            spreads = means.get(f"± {name}", pd.Series(index=means.index, dtype=float))
            # no spread where there is none, as of one run or of a count
            notes = ["" if pd.isna(spread) or spread == 0 else f" ± {column.text(spread)}" for spread in spreads]
            table[column.title] = [column.text(mean) + note for mean, note in zip(means[name], notes, strict=True)]
    return table


def overview(runs: pd.DataFrame) -> pd.DataFrame:
    """What one compares first of rows of `read_runs`, the best validation on top, as text: accuracies in percent with
    their 95 % interval, the rest in the unit of its title."""
    table = pd.DataFrame(index=runs.index)
    figures = runs.reindex(columns=[*OVERVIEW, *SCORED.values()])
    for name in OVERVIEW:
        if (name.startswith("val_as_test/") or name.endswith("mAP")) and figures[name].isna().all():
            continue
        videos = figures[SCORED[name]] if name in SCORED else [None] * len(runs)
        table[COLUMNS[name].title] = [_figure(*pair, COLUMNS[name]) for pair in zip(figures[name], videos, strict=True)]
    table["finished"] = ["yes" if ended else "no" for ended in runs["finished"]]
    times = pd.to_timedelta(runs["wall_time"]).dt.round("s").astype(str).str.removeprefix("0 days ")
    table["time"] = times.where(runs["wall_time"].notna(), "–")
    table["folder"] = ["/".join(Path(path).parts[-2:]) for path in runs["path"]]
    best_first = validation_scores(runs).sort_values(ascending=False).index
    return table.set_axis(pd.Index(labels(runs), name="run")).iloc[runs.index.get_indexer(best_first)]


def _figure(value: Any, videos: Any, column: Column) -> str:
    """A figure; an accuracy of a known number of videos with its interval."""
    return column.text(value) if pd.isna(value) or pd.isna(videos) else between(value, videos).replace("%", "")


def percentages(table: pd.DataFrame) -> pd.DataFrame:
    """A table with its fractions as percent, which its title has to say."""
    numbers = table.select_dtypes("floating").columns
    return table.assign(**{name: [f"{100 * value:.1f}" for value in table[name]] for name in numbers})
