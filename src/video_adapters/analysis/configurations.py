"""Runs that differ in nothing but their seed, taken together: means and spreads."""

from collections.abc import Hashable, Sequence

import pandas as pd

from video_adapters.analysis.labels import UNINTERESTING, labels

SCORES = {"test/top1": "top-1 (% of test videos)", "best_val_top1": "top-1 (% of validation videos)"}


def score_of(runs: pd.DataFrame) -> str:
    """The column that runs are compared by: the test's top-1, or the validation's where no run has been tested."""
    return "test/top1" if "test/top1" in runs and runs["test/top1"].notna().any() else "best_val_top1"


def settings(runs: pd.DataFrame, without: Sequence[str] = ()) -> pd.DataFrame:
    """What a run was told, a column per config key, as text; not its seed, not where things lie, nor keys `without`."""
    left_out = {f"config.{key}" for key in ("seed", *UNINTERESTING, *without)}
    kept = [column for column in runs if column.startswith("config.") and column not in left_out]
    return runs[kept].map(lambda value: "null" if pd.isna(value) else str(value))


def alike(runs: pd.DataFrame, without: Sequence[str] = ()) -> pd.Series:
    """A number for each run, the same for those that were told the same; seeds and keys `without` play no part."""
    texts = settings(runs, without)
    rows: list[Hashable] = [tuple(row) for row in texts.to_numpy()]
    return pd.Series(pd.factorize(pd.Series(rows, dtype=object))[0], index=runs.index)


def name_configurations(runs: pd.DataFrame) -> pd.Series:
    """A short label for each run, the same for those that differ in their seed alone."""
    group = alike(runs)
    first = runs.loc[~group.duplicated()]
    names = dict(zip(group[first.index], labels(first.drop(columns="config.seed", errors="ignore")), strict=True))
    return group.map(names)


def mean_and_spread(runs: pd.DataFrame, by: pd.Series, columns: Sequence[str]) -> pd.DataFrame:
    """A row per value of `by`, in order of appearance: `runs` (how many) and, for each column, its mean and `± column`.

    The spread is the sample standard deviation, missing where there is one run.
    """
    numbers = runs.reindex(columns=list(columns)).apply(pd.to_numeric)
    groups = numbers.groupby(by, sort=False)
    spread = groups.std().add_prefix("± ")
    table = pd.concat([groups.size().rename("runs"), groups.mean(), spread], axis=1)
    return table[["runs", *(name for column in columns for name in (column, f"± {column}"))]]
