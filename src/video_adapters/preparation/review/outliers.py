"""Videos far from all others of their class."""

from typing import NamedTuple

import numpy as np

from video_adapters.preparation.review.neighbours import neighbours

NEIGHBOUR = 5  # whose distance counts: fewer oddities of one kind than that are not each other's company
FAR = 3.5  # robust standard deviations (Iglewicz & Hoaglin 1993)


class Outlier(NamedTuple):
    """A video, and how far from its class it is."""

    video: int
    distance: float  # to the fifth nearest of its class, over the class's median


def outliers(points: np.ndarray, labels: np.ndarray, answers: np.ndarray) -> list[Outlier]:
    """Videos that are far from the others of their class, the farthest first.

    The distance is Euclidean, in standardised features, of which a black or broken video is far in length and not in
    direction. A video under a wrong label is far from that class and near its own: it has to be far from the class that
    a classifier takes it for, too. Far is what exceeds FAR robust standard deviations of the distances' logarithms
    (1.4826 times the median absolute deviation), over all classes.

    Args:
        points: (N, P), standardised.
        labels: (N,).
        answers: (N,) labels that a classifier gives, which has not seen the video.
    """
    distances = np.minimum(_distances(points, labels), _distances(points, answers))
    logarithms = np.log(np.maximum(distances, 1e-12))
    spread = 1.4826 * np.median(np.abs(logarithms - np.median(logarithms)))
    order = np.argsort(-distances, kind="stable")
    return [Outlier(int(i), float(distances[i])) for i in order if logarithms[i] > FAR * spread > 0]


def _distances(points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Of each video to its class, over the class's median; 1 in classes too small to tell: (N, P), (N,) -> (N,)."""
    distances = np.ones(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) > 2:
            own = neighbours(points[members], NEIGHBOUR).distances[:, -1]
            distances[members] = own / np.median(own) if np.median(own) > 0 else 1.0
    return distances
