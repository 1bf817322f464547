"""Reviews a data set by what a frozen encoder says of its videos."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from omegaconf import DictConfig
from rich.table import Table
from rich.text import Text

from video_adapters.commands.atomic import replacing, write_text
from video_adapters.commands.outputs import check_file
from video_adapters.commands.signals import stoppable
from video_adapters.commands.terminal import console, summary
from video_adapters.commands.wording import as_cell, counted, printable
from video_adapters.data.annotations import Video
from video_adapters.data.annotations.videos import END
from video_adapters.data.check_report import in_report
from video_adapters.data.datamodule import VideoData
from video_adapters.data.from_config import build_data, with_classes_counted
from video_adapters.features.open_store import USES, open_store
from video_adapters.features.read import Features, features_in
from video_adapters.model.build import build_frozen
from video_adapters.model.hardware import make_ready
from video_adapters.preparation.review.review_lists import LISTS, Labelled, Review, Row, review
from video_adapters.preparation.review.review_page import review_page
from video_adapters.preparation.source import Source

SHOWN = 5  # rows of each list on the terminal; the table has all
ENCODER = "model=clip_vit_b16"  # as of own_videos; the moving shapes have one of their own


@dataclass(frozen=True, kw_only=True)
class ReviewRequest:
    """What the command line asks for."""

    source: Source
    out: Path | None  # the table; None: NAME_review.csv in the current folder. The page stands beside it


class Reviewed(NamedTuple):
    """The videos that could be read, of all splits."""

    videos: list[Video]
    about: Labelled
    features: dict[str, np.ndarray]  # (N, V * T * D) by name
    unreadable: int


def review_data(request: ReviewRequest) -> Path:
    """Writes the table and the page, and prints the first rows.

    Raises:
        ValueError: whatever in config, data or weights stands in the way, or a file that cannot be written.
    """
    path = (request.out or Path(f"{request.source.data}_review.csv")).absolute()
    html_path = path.with_suffix(".html")
    if path == html_path:
        raise ValueError(f"--out {path} is the table, expected a name that ends in .csv: the page is written beside it")
    for file in (path, html_path):
        check_file(file, "--out")
    cfg = with_classes_counted(_composed(request.source))
    with stoppable("the same command goes on: features that were computed are kept"):
        data = build_data(cfg)
        data.expect_one_label("a review")
        read = _read(cfg, data)
        result = review(read.features, read.about)
        table = _table(result, read, data.root)
        with replacing(path) as part:
            table.to_csv(part, index=False, errors="surrogateescape", float_format="%.4f")
        title = f"Review of {request.source.data}, {data.root}"
        notes = [_basis(cfg, result, read)]
        page = review_page(title, notes, result, read.about, read.videos, html_path.parent)
        write_text(html_path, page)
    _print(table, result, notes, path, html_path)
    return path


def _composed(source: Source) -> DictConfig:
    """The config, with one view of every video, the same in all splits: only then are copies alike."""
    given = source.data.startswith("moving_shapes") or source.names("model") or source.names("experiment")
    cfg = source.composed(*([] if given else [ENCODER]))
    cfg.data.test_views.update(clips=1, crops=1)
    cfg.data.val_views = cfg.data.test_views
    cfg.features.update(views=None, tokens="pooled")
    return cfg


def _read(cfg: DictConfig, data: VideoData) -> Reviewed:
    """Features of every split's videos, computed where they are not stored."""
    backbone = build_frozen(cfg)
    make_ready(backbone, cfg)
    uses: dict[str, str] = {}
    for use in USES:
        uses.setdefault(data.splits[use], use)  # each split once: some data sets are tested on that of validation
    stores = {split: open_store(backbone, cfg, data, use) for split, use in uses.items()}
    by_split: dict[str, Features] = {}
    for split, store in stores.items():
        store.compute()
        by_split[split] = features_in(store, data, uses[split])
    readable = {split: np.flatnonzero(part.readable) for split, part in by_split.items()}
    videos = [data.videos(uses[split])[i] for split, kept in readable.items() for i in kept.tolist()]
    labels = np.concatenate([by_split[split].labels[kept] for split, kept in readable.items()])
    splits = [split for split, kept in readable.items() for _ in kept]
    groups = [group for split, kept in readable.items() for group in _groups(split, by_split[split], kept)]
    first = next(iter(by_split.values()))
    return Reviewed(
        videos=videos,
        about=Labelled(
            labels=labels,
            splits=splits,
            groups=np.unique(groups, return_inverse=True)[1],
            class_names=data.class_names,
        ),
        features={
            f"block {layer} ({kind})": np.concatenate(
                [by_split[split].arrays[layer, kind][kept].reshape(len(kept), -1) for split, kept in readable.items()]
            )
            for layer, kind in first.arrays
        },
        unreadable=sum(len(part.readable) for part in by_split.values()) - len(videos),
    )


def _groups(split: str, features: Features, kept: np.ndarray) -> Iterator[str]:
    """Of each video that is kept; without groups, each is one of its own."""
    for i in kept.tolist():
        yield f"{split} {i}" if features.groups is None else f"group {features.groups[i]}"


def _table(result: Review, read: Reviewed, root: str) -> pd.DataFrame:
    ranks: Counter[str] = Counter()
    lines = []
    for row in result.rows:
        ranks[row.list] += 1
        lines.append(_line(row, ranks[row.list], read, root))
    return pd.DataFrame(lines, columns=COLUMNS)


COLUMNS = (
    "list", "rank", "score", "path", "split", "label", "suggestion", "neighbour", "neighbour_split", "neighbour_label",
    "action",
)  # fmt: skip
ON_TERMINAL = ("score", "path", "label", "suggestion", "neighbour", "action")


def _line(row: Row, rank: int, read: Reviewed, root: str) -> list[str | int | float]:
    names = read.about.class_names

    def cells(number: int) -> list[str]:
        label = names[read.about.labels[number]]
        return [as_cell(_name(read.videos[number], root)), read.about.splits[number], as_cell(label)]

    suggestion = "" if row.suggestion is None else as_cell(names[row.suggestion])
    return [row.list, rank, row.score, *cells(row.video), suggestion, *cells(row.neighbour), as_cell(row.action)]


def _name(video: Video, root: str) -> str:
    """As reports name it; with the frames or seconds that belong to it where they are not all."""
    name = in_report(video.path, root)
    if (video.start, video.stop) == (0, END):
        return name
    return f"{name} [{video.start}:{'' if video.stop == END else video.stop}{' s' if video.seconds else ''}]"


def _basis(cfg: DictConfig, result: Review, read: Reviewed) -> str:
    counts = Counter(read.about.splits)
    split_counts = ", ".join(f"{count} {split}" for split, count in counts.items())
    unread = f", {counted(read.unreadable, 'video')} could not be read (python src/prepare.py check names them)"
    return (
        f"{counted(len(read.videos), 'video')} ({split_counts}){unread if read.unreadable else ''}. "
        f"Compared by {cfg.model.encoder.model_name}, {result.features}, frames in order: a classifier on them takes "
        f"{result.accuracy:.1%} of the videos, unseen, for what their label says. The lower that is, the less do the "
        "lists say."
    )


def _print(table: pd.DataFrame, result: Review, notes: Sequence[str], path: Path, html_path: Path) -> None:
    console().print(*notes, markup=False, highlight=False)
    for name in LISTS:
        rows = table[table["list"] == name]
        columns = [column for column in ON_TERMINAL if rows[column].any()]  # of most lists there is no suggestion
        shown = Table(title=f"{name}: {len(rows)}", title_justify="left")
        for column in columns:
            shown.add_column(column, overflow="fold")
        for line in rows.head(SHOWN)[columns].to_dict("records"):
            shown.add_row(*(Text(f"{cell:.2f}" if key == "score" else printable(cell)) for key, cell in line.items()))
        if len(rows):
            console().print(shown)
    counts = Counter(row.list for row in result.rows)
    summary("review", {**{name: str(counts[name]) for name in LISTS}, "table": str(path), "page": str(html_path)})
