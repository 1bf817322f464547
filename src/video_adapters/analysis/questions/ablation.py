"""Scores and costs of each configuration: one table of all runs, seeds taken together."""

import pandas as pd

from video_adapters.analysis.finding import Finding, Unanswerable
from video_adapters.analysis.runs.configurations import SCORES, mean_and_spread, name_configurations, score_of, select
from video_adapters.analysis.runs.counted_costs import with_costs
from video_adapters.analysis.tables import COLUMNS, presentable
from video_adapters.commands.wording import counted

QUESTION = "What does each configuration score, and at which cost?"

_COLUMNS = (*SCORES, "test/pair", "trainable_parameters", "macs", "minutes", "clips_per_s")


def answer(runs: pd.DataFrame) -> Finding:
    """The table of rows of `read_runs`, the best configuration first."""
    kept, left_out = select(runs)
    table = ablation_table(runs)
    best, score, fewest = table.index[0], COLUMNS[score_of(kept)].title, int(table["runs"].min())
    text = f"{counted(len(table), 'configuration')}, each of at least {counted(fewest, 'run')}; the best is {best}: "
    text = f"{text}{score} {table[score].iloc[0]}. {left_out}".rstrip()
    return Finding(question=QUESTION, text=text, tables={"Means and standard deviations over seeds": table})


def ablation_table(runs: pd.DataFrame) -> pd.DataFrame:
    """A row per configuration that has been scored: runs, and as text means with standard deviations over seeds.

    Raises:
        Unanswerable: no run has been scored yet.
    """
    scored = select(runs).runs
    if scored.empty:
        raise Unanswerable(f"None of {counted(len(runs), 'run')} has been validated or tested yet.")
    score = score_of(scored)
    full = with_costs(scored).assign(minutes=pd.to_timedelta(scored["wall_time"]).dt.total_seconds() / 60)
    means = mean_and_spread(full, name_configurations(full).rename("configuration"), list(_COLUMNS))
    return presentable(means.sort_values(score, ascending=False, kind="stable"))
