"""Draws of training videos in which every class has the same share, whatever its number of videos."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from video_adapters.data.sampler import Key


class BalancedDraws:
    """An endless sequence of videos, a function of the seed alone, to be entered anywhere.

    In every C draws each of the C classes that occur comes once, in an order of its own. Of a class's videos all come
    before one comes again, in a new order each time. Where a video may have several classes it is drawn for each of
    them, and those without any are drawn as one more class.

    Args:
        labels: (N,) of the videos.
        label_sets: (K, C) bool, the classes of each label; None where labels are classes.
        seed: of the orders.
    """

    def __init__(self, labels: np.ndarray, label_sets: np.ndarray | None, seed: int) -> None:
        self.seed = seed
        if label_sets is None:
            classes, labels = np.unique(labels, return_inverse=True)
            label_sets = np.eye(len(classes), dtype=bool)
        columns = np.concatenate([label_sets, ~label_sets.any(1, keepdims=True)], 1)
        self._labels, self._classes = labels, columns[:, columns[labels].any(0)]  # of each label those that occur
        self.members = [np.flatnonzero(column[labels]) for column in self._classes.T]
        self._order = lru_cache(2 * len(self.members))(self._shuffled)

    def __call__(self, first: int, end: int) -> Iterator[Key]:
        """The draws from the `first` to before the `end`, counted from 0, not yet weighted."""
        count = len(self.members)
        for turn in range(first // count, -(-end // count)):
            classes = np.random.default_rng([self.seed, 0, turn]).permutation(count)
            for number in classes[max(first - turn * count, 0) : end - turn * count]:
                through, place = divmod(turn, len(self.members[number]))
                video = int(self._order(int(number), through)[place])
                own = self._classes[self._labels[video]]  # its clips for one class and for another differ
                yield Key(video, through * int(own.sum()) + int(own[:number].sum()), 0.0)

    def _shuffled(self, number: int, through: int) -> np.ndarray:
        """The videos of a class in the order in which they come for the n-th time."""
        return np.random.default_rng([self.seed, 1, number, through]).permutation(self.members[number])
