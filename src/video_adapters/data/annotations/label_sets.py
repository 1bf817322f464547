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


def expected_sets(sets: np.ndarray | None, labels: Labels, title: str) -> np.ndarray | None:
    """A data set's label sets where `data.labels` says that there are such, and None where it says that there are none;
    a ValueError that names the data set where it is the other way round."""
    if labels == "multi" and sets is None:
        raise ValueError(f"data.labels=multi, but {title} gives each video one class: give data.labels=one")
    if labels == "one" and sets is not None:
        raise ValueError(f"data.labels=one, but {title} gives videos sets of classes: give data.labels=multi")
    return sets


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


def strata(labels: np.ndarray, label_sets: np.ndarray | None) -> np.ndarray:
    """What shares of a data set are drawn by: each video's class or, of several, the one that fewest videos have, so
    that rare classes get their share: (N,) -> (N,) int64.

    (By sets they would not: hardly two videos of many classes have the same.)
    """
    if label_sets is None:
        return labels
    known = labels >= 0
    videos = np.bincount(labels[known], minlength=len(label_sets)) @ label_sets.astype(int)
    rarest = np.where(label_sets, videos, len(labels) + 1).argmin(1)
    of_set = np.where(label_sets.any(1), rarest, label_sets.shape[1])
    return np.where(known, of_set[labels], labels)
