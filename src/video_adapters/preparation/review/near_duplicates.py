"""Videos nearer to each other than chance has it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from video_adapters.preparation.review.neighbours import Neighbours

BY_CHANCE = 0.1  # share of the pairs listed that may be as near by chance


class Pair(NamedTuple):
    """Two videos that are probably one."""

    first: int
    second: int
    ratio: float  # of their distance to that of the first one's last neighbour


def near_duplicates(near: Neighbours, splits: Sequence[str]) -> list[Pair]:
    """The pairs that are much nearer than the neighbourhood of one of them has it: first those across the splits of
    the videos, then those within one, each the nearest first.

    The measure is the ratio of a neighbour's distance to that of the K-th one, so that it needs no threshold for a data
    set, an encoder or a dense corner of it. Where videos lie evenly in m dimensions around one, the K - 1 neighbours
    within the K-th have ratios r whose m-th powers are uniform: one of them is nearer than r with the probability
    1 - (1 - r^m)^(K - 1). By these probabilities, pairs of either kind are listed as long as no more than BY_CHANCE of
    them are expected by chance (Benjamini & Hochberg 1995).
    """
    num_videos, count = near.indices.shape
    if count < 2:
        return []
    last = near.distances[:, -1:]
    ratios = np.divide(near.distances, last, out=np.zeros_like(near.distances), where=last > 0)
    dimensions, every = dimension(ratios), _pairs(near, ratios)
    listed = []
    for within in (False, True):
        pairs = [pair for pair in every if (splits[pair.first] == splits[pair.second]) == within]
        chance = _chance(np.array([pair.ratio for pair in pairs]), dimensions, count)
        few = np.flatnonzero(chance * num_videos <= BY_CHANCE * np.arange(1, len(pairs) + 1))
        listed += pairs[: few[-1] + 1] if len(few) else []
    return listed


def _pairs(near: Neighbours, ratios: np.ndarray) -> list[Pair]:
    """Every pair of neighbours once, the last neighbours left out, the nearest first."""
    pairs: dict[tuple[int, int], Pair] = {}
    for video, rank in np.ndindex(len(ratios), ratios.shape[1] - 1):
        other, ratio = int(near.indices[video, rank]), float(ratios[video, rank])
        key = min(video, other), max(video, other)
        if key not in pairs or ratio < pairs[key].ratio:
            pairs[key] = Pair(video, other, ratio)
    return sorted(pairs.values(), key=lambda pair: pair.ratio)


def dimension(ratios: np.ndarray) -> float:
    """Intrinsic dimension m of the videos, from ratios of distances (N, K) to the K-th neighbour's.

    From the one in the middle, K/2, whose r^m is 1/2 in the median (it has a beta distribution of two equal
    parameters); of the first ones the copies that are looked for would tell.
    """
    median = float(np.median(ratios[:, ratios.shape[1] // 2 - 1]))
    return float(np.log(0.5) / np.log(np.clip(median, 1e-6, 1 - 1e-6)))


def merged(groups: np.ndarray, pairs: list[Pair]) -> np.ndarray:
    """Groups (N,) of which those that share a pair become one: (N,)."""
    groups = groups.copy()
    for pair in pairs:
        groups[groups == groups[pair.second]] = groups[pair.first]
    return groups


def _chance(ratios: np.ndarray, dimensions: float, count: int) -> np.ndarray:
    """Probability that one of `count` - 1 neighbours is so near: (N,) -> (N,)."""
    return np.asarray(-np.expm1((count - 1) * np.log1p(-np.minimum(ratios**dimensions, 1 - 1e-12))))
