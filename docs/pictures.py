"""The README's pictures, each for a light and a dark page: make pictures

`block` is one adapted block of an image transformer. `motion` is a video of the embedded data set and its reversal,
beside what benchmarks/rivals.py measured (benchmarks/moving_shapes.csv).
"""

import argparse
import csv
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from PIL import Image

from video_adapters.data.shapes.motions import draw_video
from video_adapters.data.shapes.moving_shapes import CLASS_NAMES

PROJECT = Path(__file__).parents[1]
TABLE = PROJECT / "benchmarks" / "moving_shapes.csv"
FOLDER = PROJECT / "docs" / "pictures"

BARS = {
    "moving_shapes_frozen": "image model, frozen",
    "moving_shapes_full_tuning": "image model, fully tuned",
    "moving_shapes": "frozen, with adapters (AIM)",
    "moving_shapes_timesformer": "TimeSformer, fully tuned",
}
"""Experiments of the bar chart, from the top, and what they are to somebody who knows none of them."""


class Theme(NamedTuple):
    """Colours of a page."""

    page: str
    text: str
    line: str
    frozen: str
    trained: str
    on_trained: str


THEMES = {
    "light": Theme("#ffffff", "#1f2328", "#59636e", "#d8dee4", "#c2410c", "#ffffff"),
    "dark": Theme("#0d1117", "#e6edf3", "#9198a1", "#3a424c", "#f0883e", "#0d1117"),
}


def main() -> None:
    """Draws every picture in both themes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the pictures (default: docs/pictures)")
    folder = parser.parse_args().out
    with mpl.rc_context({"svg.hashsalt": "video-adapters", "font.size": 9}):  # the same file from the same figures
        for name, theme in THEMES.items():
            block(theme).savefig(folder / f"block-{name}.svg", facecolor=theme.page, metadata={"Date": None})
            path = folder / f"motion-{name}.png"
            motion(theme).savefig(path, facecolor=theme.page, dpi=150, metadata={"Software": None})
            Image.open(path).convert("RGB").quantize(160).save(path, optimize=True)


def block(theme: Theme) -> Figure:
    """One block with AIM's adapters, between the frames of a video and its class."""
    figure = Figure(figsize=(10, 3.4))
    canvas = figure.add_axes((0, 0, 1, 1), xlim=(0, 100), ylim=(0, 34))
    canvas.axis("off")
    for i in reversed(range(3)):  # frames of something that moves
        x, y = 1 + 1.6 * i, 3 + 2 * i
        canvas.add_patch(Rectangle((x, y), 7, 7, fc=theme.page, ec=theme.line))
        canvas.add_patch(Circle((x + 1.5 + 2 * i, y + 3.5), 1, fc=theme.text))
    canvas.text(1, 0.7, "frames of a video", color=theme.line)
    canvas.add_patch(Rectangle((14, 2), 66, 28, fc="none", ec=theme.line, ls="--", lw=0.8))
    canvas.text(14, 31, "one block of an image transformer, of 12 or 24", color=theme.text)
    _arrow(canvas, theme, (12, 7), (84, 7))
    _branch(canvas, theme, 16, 39)
    _box(canvas, theme, (18, 14), "attention\nover time")
    _box(canvas, theme, (28.5, 14), "temporal\nadapter", trained=True)
    canvas.text(18, 11.5, "by the same weights as", color=theme.line, fontsize=7)
    canvas.text(18, 9.8, "attention within frames", color=theme.line, fontsize=7)
    _branch(canvas, theme, 41, 64)
    _box(canvas, theme, (43, 14), "attention\nwithin frames")
    _around(canvas, theme, 52.6, 63.3)
    _box(canvas, theme, (53.5, 14), "spatial\nadapter", trained=True)
    _branch(canvas, theme, 66, 78)
    _around(canvas, theme, 66.8, 77.4)
    _box(canvas, theme, (67.5, 14), "MLP")
    _box(canvas, theme, (67.5, 20), "joint\nadapter", trained=True)
    _box(canvas, theme, (84, 4.5), "head", trained=True, width=6)
    canvas.text(99, 7, "“moving\nright”", color=theme.text, ha="right", va="center")
    for y, text, colour in ((26, "trained", theme.trained), (22.5, "as published, frozen", theme.frozen)):
        canvas.add_patch(Rectangle((82, y), 2, 2, fc=colour))
        canvas.text(85, y + 1, text, color=theme.text, va="center")
    return figure


def _arrow(canvas: Axes, theme: Theme, start: tuple[float, float], end: tuple[float, float]) -> None:
    canvas.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": theme.line, "shrinkA": 0, "shrinkB": 0})


def _branch(canvas: Axes, theme: Theme, start: float, end: float) -> None:
    """What leaves the stream of tokens, goes through the boxes above it, and is added to it."""
    canvas.plot([start, start, end, end], [7, 16.5, 16.5, 8], color=theme.line, lw=1)
    canvas.add_patch(Circle((end, 7), 1, fc=theme.page, ec=theme.line, zorder=3))
    canvas.text(end, 6.9, "+", color=theme.text, ha="center", va="center", zorder=4)


def _around(canvas: Axes, theme: Theme, start: float, end: float) -> None:
    """A way past a box, or through one above it."""
    canvas.plot([start, start, end, end], [16.5, 22.5, 22.5, 16.5], color=theme.line, lw=1)


def _box(
    canvas: Axes, theme: Theme, corner: tuple[float, float], text: str, trained: bool = False, width: float = 9
) -> None:
    colour = theme.trained if trained else theme.frozen
    canvas.add_patch(Rectangle(corner, width, 5, fc=colour, zorder=3))
    centre = (corner[0] + width / 2, corner[1] + 2.4)
    colour = theme.on_trained if trained else theme.text
    canvas.text(*centre, text, color=colour, ha="center", va="center", fontsize=8, zorder=4)


def motion(theme: Theme) -> Figure:
    """A video and its reversal, beside the test accuracies of what was trained to tell such pairs apart."""
    figure = Figure(figsize=(10, 2.5))
    frames = draw_video(np.random.default_rng(1), motion=0, image_size=96)[1::3]
    for bottom, name, order in ((0.53, CLASS_NAMES[0], 1), (0.03, CLASS_NAMES[1], -1)):
        strip = figure.add_axes((0.01, bottom, 0.47, 0.36))
        strip.set_title(f"“{name}”", loc="left", color=theme.text, fontsize=9, pad=4)
        strip.axis("off")
        for i, frame in enumerate(frames[::order]):
            strip.imshow(frame, extent=(1.05 * i, 1.05 * i + 1, 0, 1))
        strip.set(xlim=(0, 1.05 * len(frames) - 0.05), ylim=(0, 1))
    _bars(figure.add_axes((0.73, 0.12, 0.25, 0.77)), theme)
    return figure


def _bars(chart: Axes, theme: Theme) -> None:
    """Test top-1 of BARS, in percent, beside the half that no model without an eye for order exceeds."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        rows = {row["experiment"]: row for row in csv.DictReader(file)}
    for y, (experiment, name) in enumerate(BARS.items()):
        percent, share = 100 * float(rows[experiment]["test_top1"]), _share(rows[experiment])
        chart.barh(y, percent, color=theme.trained if "AIM" in name else theme.frozen, height=0.62)
        colour = theme.on_trained if "AIM" in name else theme.text
        chart.text(percent - 2, y, f"{percent:.1f} %", color=colour, ha="right", va="center", fontsize=8)
        chart.text(-3, y, f"{name}\n{share}", color=theme.text, ha="right", va="center", fontsize=8)
    chart.axvline(50, color=theme.line, ls="--", lw=0.8)
    chart.set(xlim=(0, 100), ylim=(len(BARS) - 0.5, -0.5), xticks=[], yticks=[])
    chart.set_title("test videos recognised", loc="left", color=theme.text, fontsize=9, pad=4)
    chart.set_xlabel("50 %: the most without the order of frames", color=theme.line, fontsize=8)
    chart.set_facecolor(theme.page)
    chart.spines[:].set_visible(False)


def _share(row: dict[str, str]) -> str:
    trained, all_of_them = (int(row[name]) / 1e6 for name in ("trainable_parameters", "parameters"))
    return f"{trained:.3f} M of {all_of_them:.3f} M parameters trained"


if __name__ == "__main__":
    main()
