"""Scores and costs of each configuration: one table of all runs, seeds taken together, and what dominates what."""

from itertools import cycle, product

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from video_adapters.analysis.finding import Finding, Unanswerable
from video_adapters.analysis.runs.configurations import SCORES, mean_and_spread, name_configurations, score_of, select
from video_adapters.analysis.runs.counted_costs import with_costs
from video_adapters.analysis.style import COLORS, GRAY, as_percent, dress
from video_adapters.analysis.tables import COLUMNS, presentable
from video_adapters.commands.wording import counted

QUESTION = "What does each configuration score, and at which cost?"
CAPTION = (
    "Means over seeds with standard deviations. Filled: no other is as cheap and better, or as good and cheaper; the "
    "line is what is had at a cost."
)
CLOSE = 0.01
"""Accuracy that one gives away for a cheaper configuration: a point, about what another seed makes."""
COSTS = ("trainable_parameters", "macs", "kept_bytes")
"""Columns that accuracy is drawn over."""

_COLUMNS = (
    *SCORES, "test/pair", "trainable_parameters", "macs", "kept_bytes", "step_seconds", "checkpoint_bytes", "minutes"
)  # fmt: skip
_TIMES = ("step_seconds", "minutes")
_MARKERS = "osD^v<>Ph"


def answer(runs: pd.DataFrame) -> Finding:
    """The table of rows of `read_runs`, the best configuration first, and accuracy over costs."""
    kept, left_out = select(runs)
    means = ablation_means(runs)
    table = presentable(means)
    best, score, fewest = table.index[0], COLUMNS[score_of(kept)].title, int(table["runs"].min())
    text = f"{counted(len(table), 'configuration')}, each of at least {counted(fewest, 'run')}; the best is {best}: "
    text = f"{text}{score} {table[score].iloc[0]}. {left_out}".rstrip()
    figures = {}
    if len(means) > 1 and _costs(means):
        figures[f"{_cheapest(means, score_of(kept))} {CAPTION}"] = plot(means, score_of(kept))
    return Finding(
        question=QUESTION, text=text, figures=figures, tables={"Means and standard deviations over seeds": table}
    )


def _cheapest(means: pd.DataFrame, score: str) -> str:
    """A sentence on what comes near to the best, the first of rows of `ablation_means`, at least of the first cost that
    is known."""
    best, column = means.index[0], _costs(means)[0]
    near = means[means[score] >= means[score].iloc[0] - CLOSE].dropna(subset=column)
    reached = f"{best} reaches {means[score].iloc[0]:.1%}"
    cheapest = near.index[near[column].astype(float).argmin()] if len(near) else best
    if cheapest == best:
        return f"{reached}; within a point of it nothing costs less ({COLUMNS[column].title})."
    title, cost, more = COLUMNS[column].title, *(COLUMNS[column].text(near[column][name]) for name in (cheapest, best))
    near_best = f"the cheapest within a point of it is {cheapest}, {near[score][cheapest]:.1%}"
    return f"{reached}; {near_best} ({title}: {cost}, not {more})."


def ablation_table(runs: pd.DataFrame) -> pd.DataFrame:
    """`ablation_means` as text."""
    return presentable(ablation_means(runs))


def ablation_means(runs: pd.DataFrame, names: pd.Series | None = None) -> pd.DataFrame:
    """A row per configuration that has been scored, the best first: runs, means and standard deviations over seeds.

    `names` are others than `name_configurations` gives them, a row each. A step's time and a run's are those of the
    machine that trained, with whatever else it did, and of a run that went on those of its pause too: hence medians.

    Raises:
        Unanswerable: no run has been scored yet.
    """
    scored = select(runs).runs
    if scored.empty:
        raise Unanswerable(f"None of {counted(len(runs), 'run')} has been validated or tested yet.")
    score = score_of(scored)
    full = with_costs(scored).assign(minutes=pd.to_timedelta(scored["wall_time"]).dt.total_seconds() / 60)
    speed = full.reindex(columns=["config.batch.per_step", "clips_per_s"]).apply(pd.to_numeric)
    full["step_seconds"] = speed["config.batch.per_step"] / speed["clips_per_s"]
    by = name_configurations(full) if names is None else names[full.index]
    by = by.rename("configuration")
    means = mean_and_spread(full, by, list(_COLUMNS))
    for column in _TIMES:
        means[column], means[f"± {column}"] = full[column].groupby(by, sort=False).median(), np.nan
    return means.sort_values(score, ascending=False, kind="stable")


def front(costs: pd.Series, scores: pd.Series) -> pd.Series:
    """Whether no other row is as cheap and better, or as good and cheaper: bool, False where a number is missing."""
    pairs = list(zip(costs, scores, strict=True))
    return pd.Series(
        [not any(c <= cost and s >= score and (c, s) != (cost, score) for c, s in pairs) for cost, score in pairs],
        index=costs.index,
    ) & (costs.notna() & scores.notna())


def plot(means: pd.DataFrame, score: str) -> Figure:
    """Accuracy over each of COSTS that is known of some configuration, on a logarithmic axis where they differ much."""
    columns = _costs(means)
    rows = 0.22 * -(-len(means) // 3)  # inches of the legend
    figure, axes = plt.subplots(
        1, len(columns), figsize=(4 * max(len(columns), 2), 4 + rows), layout="constrained", sharey=True, squeeze=False
    )
    for panel, column in zip(axes[0], columns, strict=True):
        costs = means[column].astype(float) * COLUMNS[column].factor  # counts are nullable integers, and may be missing
        _over(panel, costs, means[score], means[f"± {score}"])
        dress(panel, "", COLUMNS[column].title, SCORES[score] if panel is axes[0][0] else "")
    as_percent(axes[0][0])
    handles, names = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return figure


def _over(axes: Axes, costs: pd.Series, scores: pd.Series, spreads: pd.Series) -> None:
    best = front(costs, scores)
    line = pd.DataFrame({"cost": costs, "score": scores})[best].sort_values("cost")
    axes.step(line["cost"], line["score"], where="post", color=GRAY, linewidth=1, zorder=1)
    looks = cycle(product(_MARKERS, COLORS))
    for name, (marker, color) in zip(costs.index, looks, strict=False):
        axes.errorbar(
            costs[name], scores[name], spreads.fillna(0)[name], fmt=marker, color=color, capsize=3, label=name,
            markerfacecolor=color if best[name] else "white",
        )  # fmt: skip
    if costs.max() > 10 * costs[costs > 0].min():
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.locator_params(axis="x", nbins=6)
    axes.xaxis.set_major_formatter("{x:g}")


def _costs(means: pd.DataFrame) -> list[str]:
    return [column for column in COSTS if means[column].notna().any()]
