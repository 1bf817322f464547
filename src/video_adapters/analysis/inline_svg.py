"""Figures as vector drawings inside a page, in the page's own colours."""

import html
import re
from io import StringIO

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from video_adapters.analysis.style import COLORS, GRAY, GRID

RESOLUTION = 150  # dots per inch of what is a picture in a drawing, such as frames
SHOWN = 88  # pixels of the page per inch of a figure: letters of figures and page are of one size
MOST_POINTS = 1000  # of a curve that is drawn as one; more are a picture in the drawing, which would be megabytes

_FROM_PAGE = {
    to_hex("black"): "currentColor",
    to_hex("white"): "var(--paper)",
    to_hex(GRAY): "var(--soft)",
    to_hex(GRID): "var(--rule)",
    **{to_hex(color): f"var(--c{i}, {to_hex(color)})" for i, color in enumerate(COLORS)},
}
"""Colours that a page may give another value, where it is dark; all others mean what they are, as on a scale."""

DRAWING = """
svg.drawing { font-family: "DejaVu Sans", Verdana, sans-serif; min-width: min(100%, 40rem); }
svg.drawing * { stroke-linejoin: round; stroke-linecap: butt; }
svg.drawing text { fill: currentColor; }
figure.picture { overflow-x: auto; }
@media screen and (max-width: 45rem) { svg.drawing { max-width: none; min-width: 40rem; } }
@media print { svg.drawing { min-width: 0; max-height: 9cm; } }
@media screen and (prefers-color-scheme: dark) {
  svg.drawing { --c2: #ff6b4a; --c4: #c58af0; --c5: #c98f7d; --c8: #9aa0ae; }
}
"""
"""CSS of a page with drawings. In the dark, colours that were chosen on white are lighter where they would sink."""


def inline_svg(figure: Figure, caption: str, salt: str) -> str:
    """A figure as an SVG element; `salt` sets its ids apart from those of other drawings in the page. Closes it."""
    plt.close(figure)  # first: the next figures must not pile up where this one cannot be drawn
    for artist in figure.findobj(_heavy):
        artist.set_rasterized(True)
    buffer = StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}):
        figure.savefig(buffer, format="svg", dpi=RESOLUTION, transparent=True, metadata=nothing)
    text = buffer.getvalue()
    drawing = text[text.index("<svg") :]
    box = re.search(r'viewBox="[^"]*"', drawing)
    assert box is not None
    width, alt = round(figure.get_figwidth() * SHOWN), html.escape(caption)
    head = f'<svg class="drawing" role="img" aria-label="{alt}" width="{width}" {box[0]}>'
    return head + _slim(drawing[drawing.index(">") + 1 :].strip())


def _heavy(artist: Artist) -> bool:
    """Whether an artist would be more bytes as a drawing than as a picture: a long curve, the cells of a colour bar."""
    return isinstance(artist, QuadMesh) or (isinstance(artist, Line2D) and np.size(artist.get_xdata()) > MOST_POINTS)


def _slim(drawing: str) -> str:
    """What a page needs of the inside of an SVG element: its colours, hundredths of points, ids that are used."""
    drawing = re.sub(r"<style.*?</style>", "", drawing, flags=re.S)
    drawing = re.sub(r"font-family: [^;\"]*(; )?", "", drawing)
    drawing = re.sub(r'(?<= )(?:d|x|y|transform)="[^"]*"', _rounded, drawing)
    drawing = re.sub(r"(?<=: )#[0-9a-f]{6}\b", lambda color: _FROM_PAGE.get(color[0], color[0]), drawing)
    used = set(re.findall(r"#([\w.]+)", drawing))
    return re.sub(r' id="([\w.]+)"', lambda name: name[0] if name[1] in used else "", drawing)


def _rounded(attribute: re.Match[str]) -> str:
    return re.sub(r"(\.\d\d)\d+", r"\1", " ".join(attribute[0].split()))
