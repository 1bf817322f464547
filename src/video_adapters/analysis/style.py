"""Style of all figures: colours that people who see fewer colours can tell apart, and axes that say their unit."""

from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

COLORS: Any = matplotlib.color_sequences["petroff10"]  # Petroff 2021, arXiv:2107.02270
SHADES = "cividis"  # of one quantity from little to much (Nunez et al. 2018)
GRAY = "0.45"
GRID = "0.85"
ON_COLOR = "0.05"  # text on a coloured ground: black, and white, are turned by the page in the dark, as its ground is

matplotlib.rcParams["text.parse_math"] = False  # dollars in the names of classes are dollars


def dress(axes: Axes, title: str, xlabel: str, ylabel: str) -> None:
    """Title, labels with units, a faint grid, no box."""
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def as_percent(axes: Axes, which: str = "y") -> None:
    """Shows fractions as percent; that they are says the label."""
    axis = axes.yaxis if which == "y" else axes.xaxis
    axis.set_major_formatter(PercentFormatter(1, symbol=""))


def clip_text(text: str, most: int = 28) -> str:
    """A class name or label short enough for an axis."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
