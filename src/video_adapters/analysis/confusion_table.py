"""A confusion matrix as a table of a page: its numbers are links to their clips, which are hidden, without a script."""

import html
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np

from video_adapters.analysis.example_clips import HEIGHT, Cell, Example
from video_adapters.analysis.runs.test_files import Confusion
from video_adapters.commands.wording import counted, printable

STYLE = f"""
.confusion {{ --right: #3f90da; --wrong: #ffa90e; }}
@media screen and (prefers-color-scheme: dark) {{ .confusion {{ --right: #2b6cb0; --wrong: #b36b00; }} }}
.confusion table {{ width: auto; }}
.confusion th, .confusion td {{ border: 1px solid var(--rule); text-align: center; padding: 0; }}
.confusion td, .confusion td:last-child {{ min-width: 2rem; height: 1.9rem; vertical-align: middle; font-size: .8rem;
  print-color-adjust: exact; background: color-mix(in srgb, var(--of, transparent) var(--share, 0%), transparent); }}
.confusion thead th {{ vertical-align: bottom; padding: .3rem 0; }}
.confusion thead th span {{ writing-mode: vertical-rl; transform: rotate(180deg); max-height: 12rem; }}
.confusion tbody th {{ text-align: right; vertical-align: middle; padding: 0 .5rem; min-width: 0;
  white-space: nowrap; }}
.confusion td a {{ display: block; line-height: 1.9rem; color: inherit; text-decoration: none; cursor: pointer; }}
.confusion td a:hover, .confusion td a:focus {{ outline: 2px solid currentColor; outline-offset: -2px; }}
.clips {{ display: none; border-left: 3px solid var(--rule); padding-left: 1rem; order: 1;
  scroll-margin-top: 45vh; }}
.clips:target {{ display: block; }}
.strip img {{ height: {HEIGHT}px; max-width: 100%; object-fit: contain; object-position: left; }}
.strip video {{ height: 16rem; }}
@media print {{
  .screen {{ display: none; }}
  .confusion th, .confusion td, .confusion td:last-child {{ font-size: 7pt; }}
  figure.picture:has(.strip) {{ break-inside: auto; }}
  .confusion, .strip {{ break-inside: avoid; }}
}}
"""
"""CSS of a page with such a table."""


def confusion_table(confusion: Confusion, chosen: np.ndarray, clips: Mapping[Cell, list[Example]], folder: Path) -> str:
    """The table of `chosen` classes and, each hidden until its number is followed, the clips of its cells.

    Args:
        confusion: counts of the test's videos.
        chosen: (K,) labels of the classes to show.
        clips: examples of cells by the names of their classes.
        folder: where the page will lie; files are linked from there.
    """
    names = [confusion.names[i] for i in chosen]
    sums = confusion.counts.sum(1)[chosen] + confusion.unread[chosen]
    counts = confusion.counts[np.ix_(chosen, chosen)]
    further = {
        "other classes": confusion.counts[chosen].sum(1) - counts.sum(1),
        "could not be read": confusion.unread[chosen],
    }
    further = {title: column for title, column in further.items() if column.any()}
    rows = []
    for i, name in enumerate(names):
        cells = [_cell(counts[i, j], sums[i], (i, j), (name, said) in clips) for j, said in enumerate(names)]
        cells += [_cell(column[i], sums[i], None, False) for column in further.values()]
        rows.append(f'<tr><th scope="row">{_text(name)}</th>{"".join(cells)}</tr>')
    heads = "".join(f'<th scope="col"><span>{_text(name)}</span></th>' for name in (*names, *further))
    table = f"<thead><tr><th>shown \\ said</th>{heads}</tr></thead>\n<tbody>\n" + "\n".join(rows) + "\n</tbody>"
    sections = [
        _clips(clips[names[i], names[j]], (names[i], names[j]), (i, j), int(counts[i, j]), int(sums[i]), folder)
        for i, j in np.ndindex(counts.shape)
        if counts[i, j] and (names[i], names[j]) in clips
    ]
    return f'<div class="confusion" id="confusion">\n<table>\n{table}\n</table>\n</div>\n' + "\n".join(sections)


def strips(examples: Sequence[tuple[str, Example]], folder: Path) -> str:
    """Examples below one another, each with a note."""
    return "\n".join(_strip(note, example, folder) for note, example in examples)


def _cell(count: int, total: int, at: tuple[int, int] | None, linked: bool) -> str:
    if not count:
        return "<td></td>"
    kind = "right" if at and at[0] == at[1] else "wrong"
    shade = 100 * math.sqrt(count / total)  # of shares themselves, few errors of many videos would not be seen
    look = f'style="--of: var(--{kind}); --share: {shade:.0f}%"'
    text = f'<a href="#{_id(*at)}">{count}</a>' if at and linked else f"{count}"
    return f"<td {look}>{text}</td>"


def _id(shown: int, said: int) -> str:
    return f"shown-{shown}-said-{said}"


def _clips(examples: list[Example], names: Cell, at: tuple[int, int], count: int, total: int, folder: Path) -> str:
    """The clips of a cell."""
    what = f"'{names[0]}' recognised" if at[0] == at[1] else f"'{names[0]}' taken for '{names[1]}'"
    title = f"{what}: {counted(count, 'video')} ({count / total:.0%} of the class)"
    if len(examples) < count:
        title += f", the {len(examples)} most certain" if len(examples) > 1 else ", the most certain"
    notes = [(f"certainty {example.certainty:.0%}", example) for example in examples]
    back = '<p class="screen"><a href="#confusion">back to the table</a></p>'
    return f'<div class="clips" id="{_id(*at)}">\n<h3>{_text(title)}</h3>\n{strips(notes, folder)}\n{back}\n</div>'


def _strip(note: str, example: Example, folder: Path) -> str:
    name, player = _text("/".join(Path(example.video).parts[-2:])), ""
    if example.file is not None:
        link = html.escape(quote(os.fsencode(os.path.relpath(example.file, folder))))
        name = f'<a href="{link}">{name}</a>'
        if example.plays:
            player = (
                '\n<details class="screen"><summary>play</summary>'
                f'<video controls loop muted preload="none" src="{link}"></video></details>'
            )
    picture = "" if example.strip is None else f'\n<img alt="its frames" src="{example.strip}">'
    return f'<figure class="strip">\n<figcaption>{_text(note)}: {name}</figcaption>{picture}{player}\n</figure>'


def _text(text: str) -> str:
    return html.escape(printable(text))
