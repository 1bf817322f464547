"""Pairs of classes that features cannot tell apart."""

from typing import NamedTuple

import numpy as np

ALIKE = 0.25  # half-way from no error to guessing


class ClassPair(NamedTuple):
    """Two classes, and how often one is taken for the other when only the two are to choose from."""

    first: int  # labels
    second: int
    error: float  # mean of both classes' shares: 0.5 is guessing


def alike(scores: np.ndarray, labels: np.ndarray) -> list[ClassPair]:
    """The pairs with an error of at least ALIKE, the worst first: (N, C) scores of unseen videos, (N,) labels."""
    present = np.unique(labels)
    errors = np.full((scores.shape[1],) * 2, np.nan)
    for label in present:
        own = scores[labels == label]
        errors[label] = (own > own[:, [label]]).mean(0) + (own == own[:, [label]]).mean(0) / 2
    errors = (errors + errors.T) / 2
    pairs = [(int(a), int(b)) for a in present for b in present if a < b and errors[a, b] >= ALIKE]
    return sorted((ClassPair(a, b, float(errors[a, b])) for a, b in pairs), key=lambda pair: -pair.error)
