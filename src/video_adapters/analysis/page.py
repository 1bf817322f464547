"""Answers as sections of an HTML page that needs nothing beside itself."""

import base64
import html
from io import BytesIO

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from video_adapters.analysis.finding import Finding

RESOLUTION = 150  # dots per inch
SHOWN = 88  # pixels of the page per inch of a figure: letters of figures and page are of one size


def drawn(answer: Finding) -> str:
    """An answer as the page shows it. Closes its figures."""
    parts = [f"<p>{html.escape(answer.text)}</p>"]
    parts += [_figure(caption, _picture(caption, figure)) for caption, figure in answer.figures.items()]
    parts += [_figure(caption, _table(table), "table") for caption, table in answer.tables.items()]
    return "\n".join(parts)


def left_out(why: str) -> str:
    """What the page shows in place of an answer."""
    return f'<p class="left-out">Left out: {html.escape(why)}</p>'


def _figure(caption: str, content: str, kind: str = "picture") -> str:
    return f'<figure class="{kind}">\n<figcaption>{html.escape(caption)}</figcaption>\n{content}\n</figure>'


def _picture(caption: str, figure: Figure) -> str:
    """A figure as an image inside the page."""
    buffer = BytesIO()
    plt.close(figure)  # first: the next figures must not pile up where this one cannot be drawn
    figure.savefig(buffer, format="png", dpi=RESOLUTION)
    data = base64.b64encode(buffer.getvalue()).decode()
    width = round(figure.get_figwidth() * SHOWN)
    return f'<img alt="{html.escape(caption)}" width="{width}" src="data:image/png;base64,{data}">'


def _table(table: pd.DataFrame) -> str:
    named = table.rename_axis(index=None).rename_axis(columns=table.index.name)
    return named.to_html(border=0, na_rep="–", float_format="{:.3g}".format)
