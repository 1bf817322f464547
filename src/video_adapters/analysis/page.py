"""Answers as sections of an HTML page that needs nothing beside itself."""

import html

import pandas as pd

from video_adapters.analysis import confusion_table
from video_adapters.analysis.finding import Finding
from video_adapters.analysis.inline_svg import DRAWING, inline_svg

STYLE = (
    DRAWING
    + confusion_table.STYLE
    + """
body { counter-reset: figure; }
figure.picture > figcaption::before { counter-increment: figure; content: "Figure " counter(figure) ". "; }
figure.picture:has(.clips) { display: flex; flex-direction: column; }
figure.picture > figcaption { margin-top: .3rem; }
"""
)
"""CSS of the page. Figures are numbered through it, their captions below them; those of tables stand above."""


def drawn(answer: Finding) -> str:
    """An answer as the page shows it. Closes its figures."""
    salt = answer.question
    pictures = {caption: inline_svg(figure, caption, f"{salt} {caption}") for caption, figure in answer.figures.items()}
    parts = [f"<p>{html.escape(answer.text)}</p>"]
    for caption, content in (pictures | answer.panels).items():
        parts.append(f'<figure class="picture">\n{content}\n{_caption(caption)}\n</figure>')
    for caption, table in answer.tables.items():
        parts.append(f'<figure class="table">\n{_caption(caption)}\n{_table(table)}\n</figure>')
    return "\n".join(parts)


def left_out(why: str) -> str:
    """What the page shows in place of an answer."""
    return f'<p class="left-out">Left out: {html.escape(why)}</p>'


def _caption(text: str) -> str:
    return f"<figcaption>{html.escape(text)}</figcaption>"


def _table(table: pd.DataFrame) -> str:
    named = table.rename_axis(index=None).rename_axis(columns=table.index.name)
    return named.to_html(border=0, na_rep="–", float_format="{:.3g}".format)
