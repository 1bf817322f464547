"""The confusion matrix of the page, and the clips that its numbers lead to."""

import os
import re
from base64 import b64decode
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from video_adapters.analysis.confusion_table import confusion_table
from video_adapters.analysis.example_clips import FRAMES, HEIGHT, Example, as_jpeg, most_certain, with_strips
from video_adapters.analysis.runs.test_files import Confusion

CONFUSION = Confusion(("a", "b", "<c>"), np.array([[5, 3, 0], [0, 8, 1], [0, 0, 0]]), np.array([1, 0, 0]))


def predictions(*rows: tuple[str, str, str, float | None]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["video", "class", "top1", "probability1"])
    return table.assign(readable=table["probability1"].notna())


def test_examples_are_the_most_certain_of_each_cell_errors_first() -> None:
    right = [(f"{i}.mp4", "a", "a", i / 10) for i in range(10)]
    wrong = [(f"w{i}.mp4", "a", "b", i / 10) for i in range(10)]
    other, unread = ("o.mp4", "b", "a", 0.01), ("u.mp4", "a", "b", None)
    table = predictions(*right, *wrong, other, unread, ("x.mp4", "a", "elsewhere", 1.0))
    cells = [(shown, said) for shown in "ab" for said in "ab"]
    chosen = most_certain(table, cells)
    assert [example.video for example in chosen["a", "a"]] == ["9.mp4", "8.mp4"]
    assert [example.video for example in chosen["a", "b"]] == ["w9.mp4", "w8.mp4", "w7.mp4", "w6.mp4"]
    assert chosen["b", "a"] == [Example("o.mp4", 0.01)]
    few = most_certain(table, cells, 4)  # one of each cell, then another error
    assert {cell: len(examples) for cell, examples in few.items()} == {("a", "b"): 2, ("b", "a"): 1, ("a", "a"): 1}
    assert list(most_certain(table, cells, 2)) == [("a", "b"), ("b", "a")]


def test_numbers_with_clips_are_links_to_them(tmp_path: Path) -> None:
    (tmp_path / "a b.mp4").touch()
    there = Example("/elsewhere/a/1.mp4", 0.9, tmp_path / "a b.mp4", "data:,", plays=True)
    clips = {("a", "b"): [there, Example("/elsewhere/a/<2>.mp4", 0.8)], ("b", "<c>"): [Example("/elsewhere/b/3", 0.5)]}
    text = confusion_table(CONFUSION, np.arange(3), clips, tmp_path / "pages")
    links = re.findall(r'<a href="#([^"]*)">(\d+)</a>', text)
    assert links == [("shown-0-said-1", "3"), ("shown-1-said-2", "1")]
    assert re.findall(r'<div class="clips" id="([^"]*)">', text) == [name for name, _ in links]
    assert re.findall(r"<th scope=\"col\"><span>([^/]*)</span>", text) == ["a", "b", "&lt;c&gt;", "could not be read"]
    assert "'a' taken for 'b': 3 videos (33% of the class), the 2 most certain" in text.replace("&#x27;", "'")
    assert 'certainty 90%: <a href="../a%20b.mp4">a/1.mp4</a>' in text
    assert text.count("<video") == text.count("<img") == 1
    assert "certainty 80%: a/&lt;2&gt;.mp4</figcaption>" in text  # not at hand: its name alone
    assert "elsewhere" not in text  # nor where it lay on the machine that tested


def test_of_chosen_classes_the_others_are_summed_up() -> None:
    text = confusion_table(CONFUSION, np.array([0, 2]), {}, Path())
    row = re.search(r'<th scope="row">a</th>(.*)</tr>', text)
    assert row
    assert re.findall(r"<td[^>]*>(\d*)</td>", row[1]) == ["5", "", "3", "1"]  # a, <c>, other classes, unread
    assert f"--share: {100 * np.sqrt(5 / 9):.0f}%" in row[1]


def test_without_videos_examples_stay_names() -> None:
    clips = {("a", "b"): [Example("1.mp4", 0.9)]}
    assert with_strips(clips, None) == clips


def test_a_strip_has_few_frames_however_long_the_clip() -> None:
    clip = torch.randint(256, (16, 3, 150, 200), dtype=torch.uint8)
    assert as_jpeg(clip).startswith("data:image/jpeg;base64,")
    assert len(as_jpeg(clip)) < 60_000  # of noise; of pictures a third

    picture = Image.open(BytesIO(b64decode(as_jpeg(clip).partition(",")[2])))
    assert picture.size == (FRAMES * round(HEIGHT * 4 / 3), HEIGHT)


def test_links_of_names_that_are_no_text_lead_to_their_files(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff.mp4")
    clips = {("a", "b"): [Example(f"/x/{name}", 0.9, tmp_path / name)]}
    assert 'href="%FF.mp4"' in confusion_table(CONFUSION, np.arange(3), clips, tmp_path)
