"""An HTML page that needs nothing beside itself: light, dark and printed."""

import html
from collections.abc import Mapping, Sequence

_COLORS = """
:root { color-scheme: light dark; --ink: #222; --paper: #fff; --soft: #555; --rule: #ddd; --link: #0645ad; }
@media screen and (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --paper: #16181b; --soft: #a8adb3; --rule: #3a3f45; --link: #8ab4f8; }
}
"""
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 64rem;
  margin: 2rem auto; padding: 0 1rem; overflow-wrap: break-word; }
a { color: var(--link); }
h2 { margin-top: 3rem; border-top: 1px solid var(--rule); padding-top: 1rem; }
h3 { font-size: 1rem; margin: 2rem 0 .3rem; }
figure { margin: 1.5rem 0; }
figure.strip { margin: .3rem 0; }
figure.table { width: max-content; min-width: 100%; max-width: calc(100vw - 2rem); position: relative; left: 50%;
  transform: translateX(-50%); overflow-x: auto; }
figcaption { color: var(--soft); margin-bottom: .3rem; }
img, svg, video { max-width: 100%; height: auto; }
table { border-collapse: collapse; font-size: .85rem; }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid var(--rule); vertical-align: top; }
thead th { max-width: 7rem; vertical-align: bottom; }
td { white-space: nowrap; }
td:last-child { white-space: normal; overflow-wrap: anywhere; min-width: 5rem; }
tbody th { text-align: left; font-weight: normal; min-width: 9rem; max-width: 20rem; overflow-wrap: anywhere; }
thead th:first-child { text-align: left; max-width: none; }
@media (max-width: 75rem) {
  table { font-size: .75rem; }
  th, td { padding: .2rem .3rem; white-space: normal; }
  tbody th { min-width: 5rem; }
}
@media (max-width: 60rem) { table { font-size: .65rem; } th, td { padding: .15rem .2rem; } }
.left-out { color: var(--soft); font-style: italic; }
.note { white-space: pre-line; }
@media print {
  @page { margin: 16mm; }
  body { font-size: 10pt; max-width: none; margin: 0; padding: 0; }
  h2, h3, figcaption { break-after: avoid; }
  figure.picture, tr { break-inside: avoid; }
  figure.table { width: auto; max-width: none; left: 0; transform: none; overflow: visible; }
  table { font-size: 6.5pt; }
  th, td { padding: .1rem .2rem; }
  a { color: inherit; text-decoration: none; }
}
"""
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
{notes}{contents}
{sections}
</body>
</html>
"""


def page(title: str, sections: Mapping[str, str], notes: Sequence[str] = (), style: str = "") -> str:
    """The whole page: notes in plain text, the headings as contents, then by heading the HTML of its section; `style`
    is CSS of its own."""
    above = "".join(f'<p class="note">{html.escape(note)}</p>\n' for note in notes)
    contents = "".join(f'<li><a href="#q{i}">{html.escape(heading)}</a></li>\n' for i, heading in enumerate(sections))
    below = "\n".join(
        f'<section id="q{i}">\n<h2>{html.escape(heading)}</h2>\n{body}\n</section>'
        for i, (heading, body) in enumerate(sections.items())
    )
    return _PAGE.format(
        title=html.escape(title), style=_COLORS + _STYLE + style, notes=above, contents=f"<ol>\n{contents}</ol>",
        sections=below,
    )  # fmt: skip
