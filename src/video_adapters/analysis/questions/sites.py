"""The sites and blocks that need adapting, in words and figures."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from video_adapters.analysis.finding import Finding
from video_adapters.analysis.measures.adapted_sites import by, compared, other_differences
from video_adapters.analysis.runs.configurations import SCORES, select
from video_adapters.analysis.style import COLORS, GRAY, as_percent, dress
from video_adapters.analysis.tables import presentable

QUESTION = "Which sites, and which blocks, need adapting?"


def answer(runs: pd.DataFrame) -> Finding:
    """The ladder and the placements among the rows of `read_runs`."""
    parts = compared(runs)
    means = {title: by(part) for title, part in parts.items()}
    return Finding(
        question=QUESTION,
        text=f"{verdict(parts)} {select(runs).left_out}".rstrip(),
        figures={f"{_steps(means)} Means over n runs with standard deviations.": plot(means)},
        tables={title: presentable(table) for title, table in means.items()},
    )


def verdict(parts: dict[str, pd.DataFrame]) -> str:
    """The answer in words: the means of each part, and what else its runs differ in."""
    text = []
    for title, part in parts.items():
        table = by(part)
        text.append(f"{title}: {', '.join(f'{name} {value:.1%}' for name, value in table[_score(table)].items())}.")
    text += [note for part in parts.values() if (note := other_differences(part))]
    return " ".join(text)


def _steps(means: dict[str, pd.DataFrame]) -> str:
    """A sentence for each part: the rung that adds most, the best placement."""
    text = []
    for title, table in means.items():
        scores = table[_score(table)]
        if title == "Sites":
            step = int(scores.diff().iloc[1:].argmax())
            gain = 100 * (scores.iloc[step + 1] - scores.iloc[step])
            text.append(f"'{scores.index[step + 1]}' adds most: {gain:.1f} points to '{scores.index[step]}'.")
        else:
            text.append(f"The best placement is '{scores.idxmax()}', with {scores.max():.1%}.")
    return " ".join(text)


def plot(tables: dict[str, pd.DataFrame]) -> Figure:
    """Top-1 and, where known, pair accuracy: bars of means with standard deviations."""
    widths = [len(table) for table in tables.values()]
    figure, axes = plt.subplots(
        1, len(tables), figsize=(max(8, 4 + 1.3 * sum(widths)), 4.2), width_ratios=widths, squeeze=False, sharey=True,
        layout="constrained",
    )  # fmt: skip
    for panel, (title, table) in zip(axes[0], tables.items(), strict=True):
        score = _score(table)
        _bars(panel, table, score)
        xlabel = "adapters" if title == "Sites" else "blocks with adapters"
        dress(panel, title, xlabel, SCORES[score].replace("top-1", "accuracy"))
        as_percent(panel)
    handles, names = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _bars(axes: Axes, table: pd.DataFrame, score: str) -> None:
    kinds = {score: "the class itself", "test/pair": "its pair, either direction"}
    shown = [column for column in kinds if column in table]
    width = 0.8 / len(shown)
    for i, column in enumerate(shown):
        at = np.arange(len(table)) + (i - (len(shown) - 1) / 2) * width
        spread = table.get(f"± {column}", pd.Series(0.0, index=table.index)).fillna(0)
        axes.bar(at, table[column], width * 0.95, color=COLORS[i], label=kinds[column])
        several = spread > 0
        axes.errorbar(at[several], table[column][several], yerr=spread[several], fmt="none", ecolor="black", capsize=3)
        for x, value, above in zip(at, table[column], spread, strict=True):
            axes.text(x, value + above + 0.015, f"{100 * value:.1f}", ha="center", fontsize=8)
    if "test/pair" in shown:
        axes.axhline(0.5, color=GRAY, linestyle=":", label="limit of the class itself without order")
    axes.set_xticks(np.arange(len(table)), [f"{name}\n(n={runs})" for name, runs in table["runs"].items()])
    axes.set_ylim(0, 1.08)


def _score(table: pd.DataFrame) -> str:
    return next(column for column in SCORES if column in table)
