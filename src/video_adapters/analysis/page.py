"""Answers as one HTML page that needs nothing beside itself."""

import base64
import html
from collections.abc import Mapping, Sequence
from io import BytesIO

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from video_adapters.analysis.finding import Finding

RESOLUTION = 150  # dots per inch
SHOWN = 88  # pixels of the page per inch of a figure: letters of figures and page are of one size

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 64rem; margin: 2rem auto;
  padding: 0 1rem; }}
h2 {{ margin-top: 3rem; border-top: 1px solid #ccc; padding-top: 1rem; }}
figure {{ margin: 1.5rem 0; }}
figure.table {{ width: max-content; min-width: 100%; max-width: calc(100vw - 2rem); position: relative; left: 50%;
  transform: translateX(-50%); overflow-x: auto; }}
figcaption {{ color: #555; margin-bottom: .3rem; }}
img {{ max-width: 100%; height: auto; }}
table {{ border-collapse: collapse; font-size: .85rem; }}
th, td {{ padding: .2rem .6rem; text-align: right; border-bottom: 1px solid #ddd; vertical-align: top; }}
thead th {{ max-width: 7rem; vertical-align: bottom; }}
td {{ white-space: nowrap; }}
td:last-child {{ white-space: normal; overflow-wrap: anywhere; min-width: 5rem; }}
tbody th {{ text-align: left; font-weight: normal; min-width: 9rem; max-width: 20rem; overflow-wrap: anywhere; }}
thead th:first-child {{ text-align: left; max-width: none; }}
@media (max-width: 75rem) {{
  table {{ font-size: .75rem; }}
  th, td {{ padding: .2rem .3rem; white-space: normal; }}
  tbody th {{ min-width: 5rem; }}
}}
@media (max-width: 60rem) {{ table {{ font-size: .65rem; }} th, td {{ padding: .15rem .2rem; }} }}
.left-out {{ color: #555; font-style: italic; }}
.note {{ white-space: pre-line; }}
</style>
</head>
<body>
<h1>{title}</h1>
{notes}{contents}
{sections}
</body>
</html>
"""


def page(title: str, answers: Mapping[str, str], notes: Sequence[str] = ()) -> str:
    """The whole page: notes, then by question what `drawn` or `left_out` made of its answer."""
    above = "".join(f'<p class="note">{html.escape(note)}</p>\n' for note in notes)
    contents = "".join(f'<li><a href="#q{i}">{html.escape(question)}</a></li>\n' for i, question in enumerate(answers))
    sections = "\n".join(
        f'<section id="q{i}">\n<h2>{html.escape(question)}</h2>\n{answer}\n</section>'
        for i, (question, answer) in enumerate(answers.items())
    )
    return _PAGE.format(title=html.escape(title), notes=above, contents=f"<ol>\n{contents}</ol>", sections=sections)


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
