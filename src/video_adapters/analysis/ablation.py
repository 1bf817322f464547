"""What does each configuration score, and at which cost? One table of all runs, seeds taken together."""

import pandas as pd

from video_adapters.analysis.answers import Answer, Unanswerable
from video_adapters.analysis.configurations import mean_and_spread, name_configurations, score_of
from video_adapters.analysis.costs import with_costs
from video_adapters.analysis.tables import presentable

QUESTION = "What does each configuration score, and at which cost?"

_COLUMNS = ("test/top1", "best_val_top1", "test/pair", "trainable_parameters", "macs", "minutes", "clips_per_s")


def answer(runs: pd.DataFrame) -> Answer:
    """The table of rows of `read_runs`, the best configuration first.

    Raises:
        Unanswerable: no run has been scored yet.
    """
    table = ablation_table(runs)
    best, fewest = table.index[0], int(table["runs"].min())
    text = f"{len(table)} configurations, each of at least {fewest} run(s); the best is {best} ({table.iloc[0, 1]} %)."
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
    return presentable(means.sort_values(score, ascending=False, kind="stable"))
