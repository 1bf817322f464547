"""Classes of the rows of a table: in a cell that names one or several, or in a column for each class."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from video_adapters.data.annotations.files import sorted_classes
from video_adapters.data.annotations.label_sets import distinct_sets
from video_adapters.data.annotations.text import decoded
from video_adapters.data.annotations.videos import MOST_CLASSES, UNLABELLED

NO_LABEL = str(UNLABELLED)
BETWEEN = "|"  # the names of several classes in a cell


class RowClasses(NamedTuple):
    """The classes of a table, and which of them its rows have."""

    names: tuple[str, ...]  # by number; none where the table numbers its classes
    num_classes: int
    labels: np.ndarray  # (N,) int64: the class of each row or, where there may be several, the row of its set
    label_sets: np.ndarray | None  # (K, C) bool


def one_of_a_cell(cell: str, where: str) -> tuple[str]:
    """The class that a cell names; a ValueError where it names none."""
    if not (name := decoded(cell.strip(), where)):
        raise ValueError(f"{where}: it names no class")
    return (name,)


def several_of_a_cell(cell: str, where: str) -> tuple[str, ...]:
    """The classes that a cell names, such as `a|b`; none of an empty one."""
    names = tuple(dict.fromkeys(name for part in decoded(cell, where).split(BETWEEN) if (name := part.strip())))
    if NO_LABEL in names and len(names) > 1:
        raise ValueError(f"{where}: '{cell}' says that no label is known ({NO_LABEL}), and names classes")
    return names


def of_columns(row: Mapping[str, str], columns: Sequence[str], where: str) -> tuple[str, ...]:
    """The classes, a column for each, in which a row has 1 and not 0."""
    values = {name: row[name].strip() for name in columns}
    if odd := [name for name, value in values.items() if value not in ("0", "1")]:
        raise ValueError(
            f"{where}: the column '{odd[0]}' has '{values[odd[0]]}', expected 0 or 1: with data.labels=multi and "
            "without a column label every other column is a class; leave out what is none"
        )
    return tuple(name for name, value in values.items() if value == "1")


def numbered(rows: Sequence[tuple[str, ...]], several: bool, columns: Sequence[str] = ()) -> RowClasses:
    """The classes by number: in the order of their `columns` or, without, by name, unless they are numbers already.

    A row of NO_LABEL alone has the label UNLABELLED.
    """
    given = {name for row in rows for name in row} - {NO_LABEL}
    numbers = not columns and all(re.fullmatch("[0-9]+", name) for name in given)
    names = () if numbers else tuple(columns) or sorted_classes(given)
    number_of = {name: int(name) for name in given} if numbers else {name: i for i, name in enumerate(names)}
    num_classes = 1 + max(number_of.values(), default=-1)
    if num_classes > MOST_CLASSES:
        raise ValueError(f"there is a class number {num_classes - 1}, expected less than {MOST_CLASSES}, or names")
    if not several:
        labels = [number_of.get(name, UNLABELLED) for (name,) in rows]
        return RowClasses(names, num_classes, np.array(labels, np.int64), None)
    unlabelled = np.array([row == (NO_LABEL,) for row in rows])
    classes = [[number_of[name] for name in row if name != NO_LABEL] for row in rows]
    labels_of_sets, sets = distinct_sets(classes, num_classes)
    return RowClasses(names, num_classes, np.where(unlabelled, UNLABELLED, labels_of_sets), sets)
