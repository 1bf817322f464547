"""Nearest neighbours of every video."""

from typing import NamedTuple

import numpy as np
from sklearn.neighbors import NearestNeighbors

COUNT = 10


class Neighbours(NamedTuple):
    """The videos nearest to each, itself left out, the nearest first."""

    distances: np.ndarray  # (N, K)
    indices: np.ndarray  # (N, K)


def neighbours(points: np.ndarray, count: int = COUNT) -> Neighbours:
    """The `count` nearest of each point, or all others where there are fewer: (N, D) -> (N, K), (N, K)."""
    count = min(count, len(points) - 1)
    distances, indices = NearestNeighbors(n_neighbors=count + 1, algorithm="brute").fit(points).kneighbors(points)
    others = indices != np.arange(len(points))[:, None]
    others[others.all(axis=1), -1] = False  # of more copies than neighbours, itself may not be among them
    return Neighbours(distances[others].reshape(-1, count), indices[others].reshape(-1, count))


def nearest_of(points: np.ndarray, video: int, candidates: np.ndarray) -> int:
    """Which of the candidates, numbers of other points, is nearest to one: (N, D) of length 1."""
    return int(candidates[(points[candidates] @ points[video]).argmax()])
