"""Videos that probably show another class than their label says."""

from typing import NamedTuple

import numpy as np


class Suspect(NamedTuple):
    """A video, and the class that its features speak for."""

    video: int
    suggestion: int  # label
    margin: float  # of its score over that of the given label


def wrong_labels(scores: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> list[Suspect]:
    """Videos for which another class has a higher score than the given one, the largest margin first.

    Of a class in one group alone nothing is known without that group: its videos are not judged.

    Args:
        scores: (N, C), of a model that has not seen the video's group.
        labels: (N,).
        groups: (N,) numbers.
    """
    videos = np.arange(len(labels))
    others = scores.copy()
    others[videos, labels] = -np.inf
    suggestions = others.argmax(1)
    margins = others[videos, suggestions] - scores[videos, labels]
    judged = np.array([len(np.unique(groups[labels == label])) > 1 for label in range(scores.shape[1])])
    suspects = np.flatnonzero((margins > 0) & judged[labels])
    order = suspects[np.argsort(-margins[suspects], kind="stable")]
    return [Suspect(int(i), int(suggestions[i]), float(margins[i])) for i in order]
