"""Sets of classes, where a video may have several: a video's label is then the row of its set."""

from collections.abc import Collection, Sequence
from typing import Literal, get_args

import numpy as np

Labels = Literal["one", "multi"]
"""Whether a video has one class, or any number of them."""


def expect_labels(labels: str) -> None:
    """Refuses other `data.labels` than those there are."""
    if labels not in get_args(Labels):
        raise ValueError(f"data.labels is {labels}, expected one of: {', '.join(get_args(Labels))}")


def distinct_sets(classes: Sequence[Collection[int]], num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """The label of each video by its classes, and the classes of each label: -> (N,) int64, (K, C) bool.

    Labels are numbered in the order in which their sets appear first.
    """
    label_of: dict[frozenset[int], int] = {}
    labels = [label_of.setdefault(frozenset(one), len(label_of)) for one in classes]
    sets = np.zeros((len(label_of), num_classes), bool)
    for members, label in label_of.items():
        sets[label, list(members)] = True
    return np.array(labels, np.int64), sets
