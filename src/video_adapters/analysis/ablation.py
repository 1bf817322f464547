"""What does each configuration score, and at which cost? One table of all runs, seeds taken together."""

from typing import Any

import pandas as pd

from video_adapters.analysis.answers import Answer, Unanswerable
from video_adapters.analysis.configurations import mean_and_spread, name_configurations, score_of
from video_adapters.analysis.costs import with_costs

QUESTION = "What does each configuration score, and at which cost?"

_COLUMNS = {
    "test/top1": ("top-1, test (%)", 100, 1),
    "best_val_top1": ("top-1, validation (%)", 100, 1),
    "test/pair": ("right pair, either direction (%)", 100, 1),
    "trainable_parameters": ("parameters that train (M)", 1e-6, 3),
    "macs": ("GMACs a view", 1e-9, 3),
    "minutes": ("minutes a run", 1, 1),
    "clips_per_s": ("training clips per second", 1, 0),
}
"""By column: its title, what it is multiplied by, decimals."""


def answer(runs: pd.DataFrame) -> Answer:
    """The table of rows of `read_runs`, the best configuration first.

    Raises:
        Unanswerable: no run has been scored yet.
    """
    table = ablation_table(runs)
    best, fewest = table.index[0], int(table["runs"].min())
    seeds = "one seed" if fewest == 1 else f"{fewest} seeds or more"
    text = f"{len(table)} configurations, {seeds} each; the best is {best} ({table.iloc[0, 1]} %)."
    return Answer(question=QUESTION, text=text, tables={"Means and standard deviations over seeds": table})


def ablation_table(runs: pd.DataFrame) -> pd.DataFrame:
    """A row per configuration that has been scored: runs, and as text means with standard deviations over seeds.

    Raises:
        Unanswerable: no run has been scored yet.
    """
    score = score_of(runs)
    scored = runs[runs[score].notna()]
    if scored.empty:
        raise Unanswerable(f"None of the {len(runs)} runs has been validated or tested yet.")
    full = with_costs(scored).assign(minutes=pd.to_timedelta(scored["wall_time"]).dt.total_seconds() / 60)
    means = mean_and_spread(full, name_configurations(full).rename("configuration"), list(_COLUMNS))
    means = means.sort_values(score, ascending=False, kind="stable")
    table = means[["runs"]].copy()
    for column, (title, factor, decimals) in _COLUMNS.items():
        if means[column].notna().any():
            table[title] = [
                _cell(mean * factor, spread * factor, decimals)
                for mean, spread in zip(means[column], means[f"± {column}"], strict=True)
            ]
    return table


def _cell(mean: Any, spread: Any, decimals: int) -> str:
    """`96.7 ± 0.4`; without a spread where there is none, as of one run or of a count."""
    if pd.isna(mean):
        return "–"
    varied = not pd.isna(spread) and spread > 0
    return f"{mean:.{decimals}f} ± {spread:.{decimals}f}" if varied else f"{mean:.{decimals}f}"
