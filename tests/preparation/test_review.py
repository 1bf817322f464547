"""`python src/prepare.py review`: the table, the page, and faults that were planted in the embedded data set."""

import base64
import re
import shutil
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import prepare
from video_adapters.commands import command
from video_adapters.data.annotations import Video
from video_adapters.data.shapes.moving_shapes import CLASS_NAMES, MovingShapes
from video_adapters.data.video import reader
from video_adapters.data.video.reader import open_video
from video_adapters.preparation.review import review_page as pages
from video_adapters.preparation.review.review import ReviewRequest, _composed, review_data
from video_adapters.preparation.review.review_lists import LISTS, Labelled, Review, Row
from video_adapters.preparation.source import Source

from helpers.videos import numbered_frames, write_video

WHOLE_FRAME = ["data.image_size=40", "data.test_views.resize=40", "data.val_views.resize=40", "data.num_workers=0"]
CHANGES = ("copied", "encoded again", "shifted", "brightened", "a frame later")


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of three videos, one of which is broken and has a name that is hostile to terminals, pages and links."""
    monkeypatch.setattr(pages, "SHOWN", 1)
    folder = tmp_path / "data"
    folder.mkdir()
    names = ["plain.mp4", "a #1 <b>%20\x1b.mp4", "broken.mp4"]
    for name in names[:2]:
        write_video(folder / name, numbered_frames(12))
    (folder / names[2]).write_bytes(b"<html>")
    about = Labelled(
        labels=np.array([0, 1, 0]), splits=["train", "test", "val"], groups=np.arange(3), class_names=["<clap>", "jump"]
    )
    rows = [
        Row(LISTS[2], 0.5, 0, 1, 1, "is it 'jump'?"),
        Row(LISTS[2], 0.4, 2, 1, 1, "x"),
        Row(LISTS[3], 2.0, 2, 1, None, "y"),
    ]
    videos = [Video(str(folder / name), 0) for name in names]
    review = Review(rows=rows, features="block 4 (class)", accuracy=0.9)
    return pages.review_page("Review of <data>", ["basis"], review, about, videos, tmp_path / "out")


def test_the_page_shows_strips_and_links_that_lead_to_the_videos(page: str) -> None:
    assert "<h2>Suspected labels: 2</h2>" in page
    assert "<h2>Outliers: 1</h2>" in page
    assert "<h3>1. is it &#x27;jump&#x27;? (0.50)</h3>" in page
    assert '&lt;clap&gt;, train: <a href="../data/plain.mp4">plain.mp4</a>' in page
    assert 'href="../data/a%20%231%20%3Cb%3E%2520%1B.mp4">a #1 &lt;b&gt;%20\\x1b.mp4</a>' in page
    assert "1 more are in the table." in page
    assert "<p>None.</p>" in page
    assert "broken.mp4" in page  # in place of its strip stands why there is none
    strips = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    assert len(strips) == 3
    assert Image.open(BytesIO(base64.b64decode(strips[0]))).size == (8 * 85, 64)  # 64 x 48 pixels, 8 times


def test_a_table_that_would_be_written_over_by_the_page_is_refused(tmp_path: Path) -> None:
    source = Source(data="folders", root=tmp_path, overrides=())
    with pytest.raises(ValueError, match=r"--out .*r.html is the table, expected a name that ends in .csv"):
        review_data(ReviewRequest(source=source, out=tmp_path / "r.html"))


@pytest.mark.parametrize(
    ("data", "overrides", "encoder"),
    [
        ("folders", (), "ViT-B-16-quickgelu"),
        ("ssv2", ("model=toy_vit", "views=ssv2", "features.views=3"), "vit_tiny_patch16_224"),
        ("moving_shapes", (), "vit_tiny_patch16_224"),
    ],
)
def test_one_view_of_every_video_is_compared_by_clip_unless_another_encoder_is_named(
    data: str, overrides: tuple[str, ...], encoder: str, tmp_path: Path
) -> None:
    cfg = _composed(Source(data=data, root=tmp_path, overrides=overrides))
    assert cfg.model.encoder.model_name == encoder
    assert (cfg.data.test_views.clips, cfg.data.test_views.crops, cfg.features.views) == (1, 1, None)
    assert cfg.data.val_views == cfg.data.test_views


class Planted(NamedTuple):
    """Faults of a data set, by the names of its files."""

    copies: dict[frozenset[str], str]  # pairs, and how the one was changed
    wrong: dict[str, str]  # the right class


def changed(frames: np.ndarray, change: str) -> np.ndarray:
    """(T, H, W, 3) -> same shape."""
    if change == "shifted":
        return np.roll(frames, (1, 1), (1, 2))
    if change == "brightened":
        return np.clip(frames.astype(int) + 12, 0, 255).astype(np.uint8)
    return np.concatenate([frames[1:], frames[-1:]]) if change == "a frame later" else frames


def plant(shapes: MovingShapes, root: Path) -> Planted:
    """Class folders of the same videos, 5 % of them copied into another split and 5 % under a wrong class."""
    rng = np.random.default_rng(0)
    videos = [(split, video) for split in shapes.counts for video in shapes.videos(split)]
    order, count = rng.permutation(len(videos)), len(videos) // 20
    copies, wrong = {}, {}
    for number, (split, video) in enumerate(videos):
        label = video.label
        if number in order[count : 2 * count]:
            label = int(label + rng.integers(1, len(CLASS_NAMES))) % len(CLASS_NAMES)
            wrong[f"{number}.mp4"] = CLASS_NAMES[video.label]
        target = root / split / CLASS_NAMES[label] / f"{number}.mp4"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(video.path, target)
        if number in order[:count]:
            change = CHANGES[len(copies) % len(CHANGES)]
            other = str(rng.choice([one for one in shapes.counts if one != split]))
            copy = root / other / CLASS_NAMES[video.label] / f"{number} again.mp4"
            copies[frozenset((target.name, copy.name))] = change
            copy.parent.mkdir(parents=True, exist_ok=True)
            if change == "copied":
                shutil.copy(video.path, copy)
                continue
            with open_video(video) as span:
                frames = span.read(range(span.num_frames))
            crf, colour = ("23", "yuv420p") if change == "encoded again" else ("12", "yuv444p")  # 23: x264's own choice
            write_video(copy, changed(frames, change), options={"crf": crf}, pix_fmt=colour)
    return Planted(copies, wrong)


@pytest.mark.slow
def test_planted_copies_and_wrong_labels_are_among_the_first_tenth_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command.set_up()
    monkeypatch.chdir(tmp_path)
    shapes = MovingShapes(str(tmp_path / "shapes"), num_train=240, num_val=72, num_test=120)
    shapes.prepare()
    root = tmp_path / "data"
    planted = plant(shapes, root)
    words = ["review", "--data", "folders", "--root", str(root), "model=shapes_vit", *WHOLE_FRAME]
    given = prepare.parsed(words)
    step = given.pop("command")
    prepare.prepare(step, dict(given))
    table = pd.read_csv("folders_review.csv", keep_default_na=False)
    tenth = (432 + len(planted.copies)) // 10

    across = table[table["list"] == "across splits"]
    pairs = [
        frozenset((Path(one).name, Path(other).name))
        for one, other in zip(across["path"], across["neighbour"], strict=True)
    ]
    assert len(planted.copies) == 21
    assert len(planted.copies.keys() & set(pairs[:tenth])) >= 0.8 * 21
    assert set(pairs[:4]) <= {pair for pair, change in planted.copies.items() if change == "copied"}

    suspects = table[table["list"] == "label"].head(tenth)
    suggestions = {Path(path).name: name for path, name in zip(suspects["path"], suspects["suggestion"], strict=True)}
    assert len(planted.wrong) == 21
    assert sum(suggestions.get(name) == right for name, right in planted.wrong.items()) >= 0.8 * 21

    shown = capsys.readouterr().out
    assert "across splits: " in shown
    assert "folders_review.html" in shown
    assert (tmp_path / "folders_review.html").read_text().count("data:image/jpeg") > 40

    opened = []
    monkeypatch.setattr(reader, "VideoReader", lambda path, strict: opened.append(path) or 1 / 0)
    monkeypatch.setattr(pages, "SHOWN", 0)  # the strips are of the videos themselves
    prepare.prepare(step, given)
    assert opened == []
    pd.testing.assert_frame_equal(pd.read_csv("folders_review.csv", keep_default_na=False), table)
