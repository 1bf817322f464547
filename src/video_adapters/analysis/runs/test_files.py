"""Files that a test wrote of every video and class, read again; and classes that are each other's reversal."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from video_adapters.commands.wording import of_cell
from video_adapters.data.shapes.moving_shapes import CLASS_NAMES

NAMES = ("video", "class", *(f"top{rank}" for rank in range(1, 6)))  # columns of predictions.csv that hold names


class Confusion(NamedTuple):
    """Counts of test videos by what they show and what the model said."""

    names: tuple[str, ...]  # of the C classes, by label
    counts: np.ndarray  # (C, C) int: shown, predicted
    unread: np.ndarray  # (C,) int: videos that could not be read, which count as wrong


def read_confusion(run: str | Path) -> Confusion | None:
    """The confusions of a run's test (`test/confusion.csv`); None where it has not been tested.

    Raises:
        ValueError: the file holds something else.
    """
    path = _test_file(run, "confusion.csv")
    if not path.is_file():
        return None
    table = pd.read_csv(path, index_col=0)
    if table.shape[1] != len(table) + 1:
        raise ValueError(f"{path} has {len(table)} rows and {table.shape[1]} columns, expected one more than rows")
    names = tuple(of_cell(str(row)).split(" ", 1)[1] for row in table.index)  # "3 moving up"
    counts = table.to_numpy(int)
    return Confusion(names, counts[:, :-1], counts[:, -1])


def read_predictions(run: str | Path) -> pd.DataFrame:
    """A row per test video: video, class, readable, correct, top1, probability1, ... (`test/predictions.csv`).

    Raises:
        ValueError: the run has not been tested.
    """
    path = _test_file(run, "predictions.csv")
    if not path.is_file():
        raise ValueError(f"there is no {path}: the run has not been tested; python src/eval.py checkpoint=... does it")
    table = pd.read_csv(
        path, keep_default_na=False, na_values={f"probability{i}": "" for i in range(1, 6)},
        dtype=dict.fromkeys(NAMES, str),
    )  # fmt: skip
    names = [name for name in NAMES if name in table]
    return table.assign(**{name: table[name].map(of_cell) for name in names})


def read_average_precisions(run: str | Path) -> pd.DataFrame | None:
    """A row per class of a test of videos with several: class, videos, average_precision, precision, recall, threshold
    (`test/per_class.csv`); None where it has not been tested, or each video has one class."""
    path = _test_file(run, "per_class.csv")
    if not path.is_file():
        return None
    table = pd.read_csv(path, keep_default_na=False, dtype=str)
    if "average_precision" not in table:
        return None
    numbers = table.drop(columns="class").apply(pd.to_numeric, errors="coerce")
    return numbers.assign(**{"class": table["class"].map(of_cell)})


def _test_file(run: str | Path, name: str) -> Path:
    """A file of a run's test, which is called by another name where its videos chose the checkpoint or trained it."""
    paths = [Path(run) / folder / name for folder in ("test", "val_as_test", "train_as_test")]
    return next((path for path in paths if path.is_file()), paths[0])


def reversals(names: tuple[str, ...]) -> np.ndarray | None:
    """The label of each class played backwards, (C,); None where that is not known.

    It is known of the moving shapes: class c and class c ^ 1.
    """
    return np.arange(len(names)) ^ 1 if names == CLASS_NAMES else None


def pair_accuracy(confusion: Confusion) -> float:
    """Share of test videos put into the right pair of a class and its reversal, never mind the direction.

    NaN where classes have no known reversal. Half of what is right by it is right by chance where order is not seen.
    """
    partner = reversals(confusion.names)
    if partner is None:
        return float("nan")
    classes = np.arange(len(partner))
    within = confusion.counts[classes, classes] + confusion.counts[classes, partner]
    return float(within.sum() / (confusion.counts.sum() + confusion.unread.sum()))
