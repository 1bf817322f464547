"""Divisions of training and validation videos into what a probe is fitted on and what it is held out against."""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold


class Fold(NamedTuple):
    """Indices of videos, in ascending order."""

    fit: np.ndarray
    held_out: np.ndarray


def folds(
    labels: np.ndarray,
    validation: np.ndarray,
    groups: Sequence[str] | None = None,
    *,
    readable: np.ndarray | None = None,
    count: int = 6,
) -> list[Fold]:
    """Folds over the groups of all videos, classes spread evenly; without groups, one: training against validation.

    A validation set of two people prefers what suits these two; over groups, every video is held out once, from
    probes that have not seen its group. A video that cannot be read is fitted on in none, and held out like any other.

    Args:
        labels: (N,).
        validation: (N,) bool, which videos are those of validation.
        groups: (N,) names; videos of a group are never on both sides.
        readable: (N,) bool; None: all.
        count: of folds, at most: no more than there are groups, or videos of the largest class.

    Raises:
        ValueError: nothing is left to fit on, or to hold out.
    """
    divided = [Fold(*map(np.flatnonzero, (~validation, validation)))]
    count = min(count, len(set(groups or ())), int(np.bincount(labels).max(initial=0)))
    if groups is not None and count > 1:
        divided = _over_groups(labels, groups, count)
    if readable is not None:
        divided = [Fold(fold.fit[readable[fold.fit]], fold.held_out) for fold in divided]
    divided = [fold for fold in divided if len(fold.fit) and len(fold.held_out)]
    if not divided:
        raise ValueError(
            f"probes are chosen on videos that they were not fitted on: of {np.count_nonzero(~validation)} training "
            f"and {np.count_nonzero(validation)} validation videos, too few can be read"
        )
    return divided


def _over_groups(labels: np.ndarray, groups: Sequence[str], count: int) -> list[Fold]:
    split = StratifiedGroupKFold(count)
    with warnings.catch_warnings():  # a class in fewer groups than folds is lacking in some: no harm here
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        return [Fold(fit, held_out) for fit, held_out in split.split(labels, labels, np.asarray(groups, str))]
