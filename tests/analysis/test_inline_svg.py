"""Drawings inside a page."""

import base64
import re
from io import BytesIO

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from video_adapters.analysis.inline_svg import MOST_POINTS, RESOLUTION, inline_svg
from video_adapters.analysis.style import COLORS, GRAY, ON_COLOR


def drawing(values: np.ndarray | None = None, **look: object) -> Figure:
    figure, axes = plt.subplots(figsize=(4, 3))
    axes.plot(np.arange(2) if values is None else values, label="0.0625 of #000000", **look)
    axes.set_xlabel("step")
    axes.legend(frameon=False)
    return figure


def test_letters_are_letters_and_of_the_size_of_the_page() -> None:
    text = inline_svg(drawing(), "1 < 2", "")
    assert text.startswith('<svg class="drawing" role="img" aria-label="1 &lt; 2" width="352" viewBox="0 0 288 216">')
    assert text.endswith("</svg>")
    assert re.search(">step</text>", text)
    assert re.search(">0.0625 of #000000</text>", text)  # rounded are coordinates alone
    assert "<style" not in text  # it would be of the whole page
    assert "http" not in text


def test_a_page_sets_the_colours_that_are_not_those_of_a_scale() -> None:
    assert "stroke: var(--c4, #832db6)" in inline_svg(drawing(color=COLORS[4]), "", "")
    text = inline_svg(drawing(color=GRAY, markerfacecolor=ON_COLOR, markeredgecolor="#123456", marker="o"), "", "")
    assert "stroke: var(--soft)" in text
    assert "fill: #0d0d0d; stroke: #123456" in text
    assert "#000000" not in text.replace("of #000000", "")


def test_one_figure_is_one_text_and_two_share_no_ids() -> None:
    one, again, other = (inline_svg(drawing(marker="o"), "", salt) for salt in ("a", "a", "b"))
    assert one == again
    ids = [set(re.findall(r' id="([^"]+)"', text)) for text in (one, other)]
    assert ids[0]
    assert not ids[0] & ids[1]
    assert ids[0] == set(re.findall(r"(?:url\(|href=\")#(\w+)", one))  # all of them are referred to


def test_a_long_curve_is_a_picture_in_the_drawing() -> None:
    long = np.random.default_rng(0).normal(size=20 * MOST_POINTS)
    text = inline_svg(drawing(long), "", "")
    assert text.count("<image") == 1
    assert len(text) < 100_000
    picture = re.search(r'base64,([^"]*)"[^>]* width="(\d+)', text)
    assert picture
    width, points = Image.open(BytesIO(base64.b64decode(picture[1]))).width, int(picture[2])
    assert width == pytest.approx(points / 72 * RESOLUTION, abs=3)
    assert "<image" not in inline_svg(drawing(long[:MOST_POINTS]), "", "")


def test_a_figure_is_closed_even_where_it_cannot_be_drawn() -> None:
    inline_svg(drawing(), "", "")
    assert not plt.get_fignums()
