"""Runs that differ in nothing but their seed, taken together: means and spreads."""

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import pandas as pd

from video_adapters.analysis.runs.labels import UNINTERESTING, labels
from video_adapters.commands.wording import counted

SCORES = {
    "test/top1": "top-1 (% of test videos)",
    "val_as_test/top1": "top-1 (% of validation videos, which chose the checkpoint, in the test's views)",
    "best_val_top1": "top-1 (% of validation videos)",
}


class Selection(NamedTuple):
    """Runs that can be compared with each other."""

    runs: pd.DataFrame
    left_out: str  # a sentence: how many were not taken, and why; empty where all were


def select(runs: pd.DataFrame) -> Selection:
    """Of rows of `read_runs` those to compare: finished (unless none is), with a score, one per configuration and seed.

    Of a selection, it is all.
    """
    ended = _finished(runs)
    scored = ended[ended.reindex(columns=list(SCORES)).notna().any(axis=1)]
    single = without_repeats(scored)
    kept = single[single[score_of(single)].notna()]
    unscored = len(ended) - len(scored) + len(single) - len(kept)
    reasons = {
        "not finished": len(runs) - len(ended),
        f"without {score_of(single)}, which the others are compared by": unscored,
        "repeated later with the same configuration and seed": len(scored) - len(single),
    }
    listed = ", ".join(f"{number} {reason}" for reason, number in reasons.items() if number)
    return Selection(kept, f"Left out of {counted(len(runs), 'run')}: {listed}." if listed else "")


def score_of(runs: pd.DataFrame) -> str:
    """The column that runs are compared by: the first of SCORES that all that finished have.

    Where none has finished, all count.
    """
    ended = _finished(runs)
    return next((name for name in SCORES if name in ended and ended[name].notna().all()), "best_val_top1")


def without_repeats(runs: pd.DataFrame) -> pd.DataFrame:
    """Of the runs with one configuration and seed, the one that was started last."""
    latest_first = runs.sort_values("started", ascending=False)
    kinds = pd.DataFrame({"configuration": alike(runs), "seed": runs["config.seed"]})
    return runs[~kinds.loc[latest_first.index].duplicated().reindex(runs.index)]


def _finished(runs: pd.DataFrame) -> pd.DataFrame:
    return runs[runs["finished"]] if runs["finished"].any() else runs


def settings(runs: pd.DataFrame, without: Sequence[str] = ()) -> pd.DataFrame:
    """Configs of runs, a column per key, as text; without the seed, where things lie, and keys `without`."""
    left_out = {f"config.{key}" for key in ("seed", *UNINTERESTING, *without)}
    kept = [column for column in runs if column.startswith("config.") and column not in left_out]
    return runs[kept].map(lambda value: "null" if pd.isna(value) else str(value))


def alike(runs: pd.DataFrame, without: Sequence[str] = ()) -> pd.Series:
    """A number for each run, the same for those of one config; seeds and keys `without` play no part."""
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

    The spread is the sample standard deviation, missing where there is one run. Both are missing where one of the runs
    has no figure: they would be of fewer runs than is said.
    """
    numbers = runs.reindex(columns=list(columns)).apply(pd.to_numeric)
    groups = numbers.groupby(by, sort=False)
    size, complete = groups.size().rename("runs"), groups.count().eq(groups.size(), axis=0)
    spread = groups.std().where(complete).add_prefix("± ")
    table = pd.concat([size, groups.mean().where(complete), spread], axis=1)
    return table[["runs", *(name for column in columns for name in (column, f"± {column}"))]]
