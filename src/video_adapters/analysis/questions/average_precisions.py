"""Average precision by class, for tests whose videos may have several classes: there is no confusion to be drawn."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from video_adapters.analysis.style import COLORS, as_percent, clip_text, dress
from video_adapters.commands.wording import counted

MOST_CLASSES = 20
"""Classes drawn; of more, those of least average precision."""


def verdict(classes: pd.DataFrame) -> str:
    """The answer in words, of rows of `read_average_precisions`."""
    shown = classes.dropna(subset="average_precision")
    if shown.empty:
        return "No class occurs in the test."
    worst, mean = shown.loc[shown["average_precision"].idxmin()], shown["average_precision"].mean()
    return (
        f"The mean average precision over {counted(len(shown), 'class')} is {mean:.1%}. The hardest is "
        f"'{worst['class']}', with {worst['average_precision']:.1%} ({counted(int(worst['videos']), 'video')})."
    )


def plot(classes: pd.DataFrame) -> Figure:
    """Average precision of each class as a bar, the least on top; precision and recall at its threshold as marks."""
    shown = classes.dropna(subset="average_precision").nsmallest(MOST_CLASSES, "average_precision")
    figure, axes = plt.subplots(figsize=(8, 1.6 + 0.32 * len(shown)), layout="constrained")
    rows = np.arange(len(shown))
    axes.barh(rows, shown["average_precision"], color=COLORS[0], height=0.6, label="average precision")
    for name, marker, color in (("precision", "D", COLORS[1]), ("recall", "o", COLORS[2])):
        axes.scatter(shown[name], rows, marker=marker, color=color, label=f"{name} at the threshold", zorder=3)
    some = f"{len(shown)} of {len(classes)} classes, those of least" if len(shown) < len(classes) else ""
    dress(axes, some, "% of the test's videos", "")
    axes.set_yticks(rows, [clip_text(name) for name in shown["class"]])
    axes.invert_yaxis()
    as_percent(axes, "x")
    axes.set_xlim(0, 1.02)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure
