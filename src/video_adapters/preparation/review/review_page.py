"""The lists of a review as an HTML page of film strips, each with a link to its video."""

import base64
import html
import os
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from video_adapters.commands.html_page import page
from video_adapters.commands.terminal import advancing
from video_adapters.commands.wording import printable
from video_adapters.data.annotations import Video
from video_adapters.data.video.film_strip import film_strip
from video_adapters.data.video.frame_source import DecodeError
from video_adapters.preparation.review.review_lists import LISTS, Labelled, Review, Row

SHOWN = 20  # rows of each list; the table has all
FRAMES, HEIGHT = 8, 64  # of a strip, pixels: about 15 kB each
SECTIONS = {
    LISTS[0]: (
        "Near-duplicates in two splits",
        "A test of videos that were trained on measures memory. The score is their distance over that of the tenth "
        "neighbour; about one in ten may be listed by chance.",
    ),
    LISTS[1]: ("Near-duplicates within a split", "These count twice. The score is as above."),
    LISTS[2]: (
        "Suspected labels",
        "Videos that a classifier, which has not seen them, takes for another class. The score is the margin of its "
        "answer over the label: 1 is certain, near 0 is undecided. Below stands the nearest video of the suggestion.",
    ),
    LISTS[3]: (
        "Outliers",
        "Videos far from all others of their class. The score is that distance over the class's median. Below stands "
        "the nearest video of the class.",
    ),
    LISTS[4]: (
        "Classes that features do not tell apart",
        "The score is the share of errors where only the two classes are to choose from: 0.5 is guessing. Shown are "
        "the two videos of them that are most alike.",
    ),
}  # fmt: skip


def review_page(
    title: str, notes: Sequence[str], review: Review, about: Labelled, videos: Sequence[Video], folder: Path
) -> str:
    """The page, whose links are relative to its folder; the strips are part of it."""
    by_list = {name: [row for row in review.rows if row.list == name] for name in LISTS}
    shown = [row for rows in by_list.values() for row in rows[:SHOWN]]
    with advancing("film strips", len(shown)) as show:
        strips = {}
        for done, row in enumerate(shown, 1):
            strips[row] = "\n".join(_strip(i, about, videos[i], folder) for i in (row.video, row.neighbour))
            show(done)
    return page(
        title,
        {f"{SECTIONS[name][0]}: {len(rows)}": _section(name, rows, strips) for name, rows in by_list.items()},
        notes,
    )


def _section(name: str, rows: Sequence[Row], strips: dict[Row, str]) -> str:
    parts = [f"<p>{html.escape(SECTIONS[name][1] if rows else 'None.')}</p>"]
    for rank, row in enumerate(rows[:SHOWN], 1):
        parts.append(f"<h3>{rank}. {html.escape(printable(row.action))} ({row.score:.2f})</h3>\n{strips[row]}")
    if len(rows) > SHOWN:
        parts.append(f'<p class="left-out">{len(rows) - SHOWN} more are in the table.</p>')
    return "\n".join(parts)


def _strip(number: int, about: Labelled, video: Video, folder: Path) -> str:
    """A video's frames side by side, below its class, its split and a link that plays it."""
    link = html.escape(quote(os.fsencode(os.path.relpath(video.path, folder))))
    name = html.escape(printable(os.path.basename(video.path)))
    caption = html.escape(printable(f"{about.class_names[about.labels[number]]}, {about.splits[number]}: "))
    caption = f'<figcaption>{caption}<a href="{link}">{name}</a></figcaption>'
    return f'<figure class="strip">\n{caption}\n{_picture(video)}\n</figure>'


def _picture(video: Video) -> str:
    try:
        strip = Image.fromarray(film_strip(video, FRAMES, HEIGHT))
    except DecodeError as error:
        return f'<p class="left-out">{html.escape(printable(str(error)))}</p>'
    buffer = BytesIO()
    strip.save(buffer, format="jpeg", quality=85)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="" height="{HEIGHT}" src="data:image/jpeg;base64,{data}">'
