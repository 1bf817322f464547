"""The smallest bottleneck that serves: accuracy, parameters and time over `adapter.ratio`."""

from itertools import cycle, product

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from video_adapters.analysis.finding import Finding, Unanswerable
from video_adapters.analysis.runs.configurations import (
    SCORES,
    alike,
    mean_and_spread,
    name_configurations,
    score_of,
    select,
)
from video_adapters.analysis.style import COLORS, as_percent, dress
from video_adapters.analysis.tables import presentable
from video_adapters.commands.wording import counted

QUESTION = "How small may the bottleneck be?"
CAPTION = "Means over seeds with standard deviations; faint dots are single runs."
KEY = "adapter.ratio"
CLOSE = 0.01
"""Accuracy that one gives away for a smaller bottleneck: a point, about what another seed makes."""

_COLUMN = f"config.{KEY}"
_MARKERS = "os^Dv"


def answer(runs: pd.DataFrame) -> Finding:
    """Accuracy, parameters and time by ratio, of every sweep among the rows of `read_runs`."""
    families = sweeps(runs)
    score = _score(families)
    tables = {f"Means over seeds: {name}": presentable(by_ratio(sweep, score)) for name, sweep in families.items()}
    text = f"{verdict(families)} {select(runs).left_out}".rstrip()
    return Finding(
        question=QUESTION, text=text, figures={f"{_smallest(families)} {CAPTION}": plot(families)}, tables=tables
    )


def sweeps(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Runs that differ in their ratio and seed alone, by a label; of those that `select` takes, at least two ratios.

    Raises:
        Unanswerable: there are none.
    """
    kept, left_out = select(runs)
    scored = kept[kept.get(_COLUMN, pd.Series(index=kept.index)).notna()]
    group = alike(scored, without=(KEY,))
    several = [number for number in group.unique() if scored.loc[group == number, _COLUMN].nunique() > 1]
    if not several:
        raise Unanswerable(
            f"There is no sweep over {KEY}, at least two runs that differ in it and their seeds alone, among "
            f"{counted(len(runs), 'run')}; `python src/train.py -m hparams_search=ratio` makes one. {left_out}".rstrip()
        )
    first = scored.loc[[group[group == number].index[0] for number in several]]
    names = name_configurations(first.drop(columns=_COLUMN))
    return {name: scored[group == number] for number, name in zip(several, names, strict=True)}


def by_ratio(sweep: pd.DataFrame, score: str | None = None) -> pd.DataFrame:
    """Means and spreads over seeds of one of `sweeps`, a row per ratio, rising, by `score` or else its `score_of`.

    `s_per_1000` is seconds of training per 1000 clips.
    """
    timed = sweep.assign(s_per_1000=1000 / pd.to_numeric(sweep["clips_per_s"]))
    columns = [score or score_of(sweep), "test/pair", "trainable_parameters", "s_per_1000"]
    return mean_and_spread(timed, timed[_COLUMN].rename("ratio"), columns).sort_index().dropna(axis=1, how="all")


def verdict(families: dict[str, pd.DataFrame]) -> str:
    """The answer in words: the best ratio of each sweep, and the smallest that is nearly as good."""
    score = _score(families)
    return " ".join(_verdict(name, by_ratio(sweep, score), score) for name, sweep in families.items())


def plot(families: dict[str, pd.DataFrame]) -> Figure:
    """Accuracy, parameters and time over ratio: means with standard deviations, a faint dot for each run.

    A colour per sweep; where colours come again, the marker is another.
    """
    height = 4 + 0.22 * (len(families) - 1)  # inches; a line of the legend for each
    figure, axes = plt.subplots(1, 3, figsize=(12, height), layout="constrained")
    score, looks = _score(families), cycle(product(_MARKERS, COLORS))
    for (name, sweep), (marker, color) in zip(families.items(), looks, strict=False):
        table, look = by_ratio(sweep, score), {"marker": marker, "color": color, "capsize": 4}
        for panel, column, scale in zip(axes, (score, "trainable_parameters", "s_per_1000"), (1, 1e-6, 1), strict=True):
            if column in table:
                spread = table.get(f"± {column}", 0) * scale
                panel.errorbar(table.index, table[column] * scale, spread, label=name, **look)
        axes[0].plot(sweep[_COLUMN], sweep[score], ".", color=color, alpha=0.4, markersize=5)
        if "test/pair" in table:
            look |= {"label": f"{name}: the pair, either direction", "linestyle": "--"}
            axes[0].errorbar(table.index, table["test/pair"], table.get("± test/pair", 0), **look)
    ratios = sorted({ratio for sweep in families.values() for ratio in sweep[_COLUMN]})
    dress(axes[0], "Accuracy", "bottleneck / token width", SCORES[score].replace("top-1", "accuracy"))
    dress(axes[1], "What trains", "bottleneck / token width", "parameters (millions)")
    dress(axes[2], "Time", "bottleneck / token width", "training (s per 1000 clips)")
    as_percent(axes[0])
    for panel in axes:
        _ratios_below(panel, ratios)
    for panel in axes[1:]:
        panel.set_ylim(0, 1.05 * panel.dataLim.ymax)
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False)
    return figure


def _ratios_below(axes: Axes, ratios: list[float]) -> None:
    """A logarithmic axis with a tick for each ratio, as a fraction of one where it is one."""
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(ratios))
    axes.xaxis.set_minor_locator(NullLocator())
    whole = [round(1 / ratio) for ratio in ratios]
    axes.set_xticklabels(
        [f"1/{n}" if abs(n * r - 1) < 1e-9 and n > 1 else f"{r:g}" for n, r in zip(whole, ratios, strict=True)]
    )


def _score(families: dict[str, pd.DataFrame]) -> str:
    """The column by which all sweeps can be compared."""
    return score_of(pd.concat(families.values()))


def _smallest(families: dict[str, pd.DataFrame]) -> str:
    """A sentence on the ratio that suffices, for each sweep."""
    score = _score(families)
    ratios = [f"{_enough(by_ratio(sweep, score), score):g} for {name}" for name, sweep in families.items()]
    return f"The smallest bottleneck within a point of the best: {', '.join(ratios)}."


def _enough(table: pd.DataFrame, score: str) -> float:
    """The smallest ratio that is CLOSE to the best, of rows of `by_ratio`."""
    return float(table.index[table[score] >= table[score].max() - CLOSE][0])


def _verdict(name: str, table: pd.DataFrame, score: str) -> str:
    best, enough = table[score].idxmax(), _enough(table, score)
    train = ""
    if "trainable_parameters" in table:
        train = f", {table['trainable_parameters'][enough] / 1e6:.3g} M parameters"
    fewest, most = int(table["runs"].min()), int(table["runs"].max())
    seeds = f"{counted(fewest, 'seed')} each." if fewest == most else f"{fewest} to {most} seeds each."
    if fewest == 1:
        seeds = "Some have one seed alone: differences of a point or two mean nothing."
    return (
        f"{name}: the best ratio is {best:g}, with {table[score][best]:.1%} on average; {enough:g} is the smallest "
        f"within a point of it ({table[score][enough]:.1%}{train}). {seeds}"
    )
