"""The model's use of time, in words and figures."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from video_adapters.analysis.finding import Finding
from video_adapters.analysis.measures.frame_order import Scored, by_class, by_order
from video_adapters.analysis.style import COLORS, GRAY, ON_COLOR, as_percent, clip_text, dress
from video_adapters.analysis.tables import percentages

QUESTION = "Does the model use time?"
MOST_CLASSES = 12
"""Most temporal and most static classes shown, half of each, where there are more."""

_MARKERS = {
    "as filmed": ("o", 45, COLORS[0]),
    "shuffled": ("X", 45, COLORS[1]),
    "reversed": ("<", 45, COLORS[2]),
    "one frame": ("s", 80, "black"),
}
"""By order: marker, size and colour; the last is a frame around what lies beneath it."""


def answer(scored: Scored) -> Finding:
    """What other orders of frames do to the accuracy, over all videos and by class."""
    table, classes = by_order(scored), by_class(scored)
    top1 = 100 * table["top1"]
    lost = {order: top1["as filmed"] - top1[order] for order in ("shuffled", "reversed", "one frame")}
    figures = {
        f"Shuffled frames cost {lost['shuffled']:.1f} points of accuracy, reversed ones {lost['reversed']:.1f}, all "
        f"but one {lost['one frame']:.1f}.": plot_orders(scored),
        f"{_extremes(classes)} Lines lead from shuffled frames to those as filmed.": plot_classes(scored),
    }
    tables = {
        "% of test videos": percentages(table),
        "Accuracy by class (%), the most temporal first": percentages(classes),
    }
    return Finding(question=QUESTION, text=verdict(scored), figures=figures, tables=tables)


def verdict(scored: Scored) -> str:
    """The answer in words."""
    table, classes = by_order(scored), by_class(scored)
    top1 = table["top1"]
    lost = top1["as filmed"] - top1["shuffled"]
    text = [
        f"{'Yes' if lost > 0.05 else 'Hardly'}: top-1 is {top1['as filmed']:.1%} as filmed, {top1['shuffled']:.1%} "
        f"with shuffled frames, {top1['reversed']:.1%} with reversed ones, {top1['one frame']:.1%} with a single one.",
        _extremes(classes),
    ]
    if "its reversal" in table:
        text.append(
            f"Reversed, {table['its reversal']['reversed']:.1%} are taken for the reversed class; shuffled, the choice "
            f"within the right pair is right for {table['right of the pair']['shuffled']:.1%} (a coin: 50 %)."
        )
    return " ".join(text)


def _extremes(classes: pd.DataFrame) -> str:
    """A sentence on the most temporal class and the least, the first and the last of rows of `by_class`."""
    return (
        f"Shuffling costs most in '{classes.index[0]}' ({classes['loss'].iloc[0]:.0%} of its videos) and least in "
        f"'{classes.index[-1]}' ({classes['loss'].iloc[-1]:.0%})."
    )


def plot_orders(scored: Scored) -> Figure:
    """For each order of frames, what is said of the videos: their class, its reversal where known, another one."""
    table = by_order(scored)
    figure, axes = plt.subplots(figsize=(7.5, 1.2 + 0.55 * len(table)), layout="constrained")
    kinds = {"top1": "the class itself", "its reversal": "its reversal", "another class": "another class"}
    left = np.zeros(len(table))
    shown = [kind for kind in kinds if kind in table]
    for kind, color in zip(shown, (COLORS[0], COLORS[1], "0.8"), strict=False):
        bars = axes.barh(table.index, table[kind], left=left, color=color, label=kinds[kind], height=0.7)
        axes.bar_label(
            bars,
            [f"{v:.1%}" if v > 0.07 else "" for v in table[kind]],
            label_type="center",
            fontsize=9,
            color=ON_COLOR,
        )
        left += table[kind].to_numpy()
    axes.axvline(1 / len(scored.class_names), color=GRAY, linestyle=":", label="chance")
    dress(axes, "", f"what is said of {len(scored.labels)} test videos (% of them)", "frames of the clip")
    as_percent(axes, "x")
    axes.set_xlim(0, 1)
    axes.invert_yaxis()
    figure.legend(loc="outside lower center", ncols=4, frameon=False)
    return figure


def plot_classes(scored: Scored) -> Figure:
    """Accuracy of each class for each order of frames, the class that loses most by shuffling on top."""
    table = by_class(scored)
    half = MOST_CLASSES // 2
    shown = table if len(table) <= MOST_CLASSES else pd.concat([table.head(half), table.tail(half)])
    figure, axes = plt.subplots(figsize=(8, 1.6 + 0.32 * len(shown)), layout="constrained")
    rows = np.arange(len(shown))
    axes.hlines(rows, shown["shuffled"], shown["as filmed"], color="0.8", linewidth=4, zorder=1)
    for order, (marker, size, color) in _MARKERS.items():
        style = {"facecolors": "none", "linewidths": 1.6} if order == "one frame" else {"facecolors": color}
        axes.scatter(
            shown[order], rows, edgecolors=color, marker=marker, label=order, s=size, zorder=3, clip_on=False, **style
        )
    title = ""
    if len(shown) < len(table):
        title = f"{half} most temporal and most static of {len(table)}"
        axes.axhline(half - 0.5, color=GRAY, linestyle=":")  # where those between them are left out
    dress(axes, title, "accuracy (% of the class's test videos)", "")
    axes.set_yticks(rows, [clip_text(str(name)) for name in shown.index])
    axes.invert_yaxis()
    as_percent(axes, "x")
    axes.set_xlim(0, 1)
    figure.legend(loc="outside lower center", ncols=4, frameon=False)
    return figure
