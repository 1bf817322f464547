"""Class names with probabilities, of a video or of a window of one."""

from typing import NamedTuple

import numpy as np


class Prediction(NamedTuple):
    """What was recognised in a video."""

    class_names: tuple[str, ...]  # by label
    probabilities: np.ndarray  # (C,) float32, by label
    remarks: tuple[str, ...] = ()  # what is odd about the file, such as a missing end
    thresholds: tuple[float, ...] = ()  # by label, where a video may have several classes; () where it has one

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The likeliest classes with their probabilities, likeliest first."""
        best = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(self.class_names[label], float(self.probabilities[label])) for label in best]

    def named(self) -> list[tuple[str, float]]:
        """The classes that the video is said to show, likeliest first: those at or above their threshold, maybe none;
        where a video has one class, the likeliest."""
        if not self.thresholds:
            return self.top(1)
        reached = {n for n, p, t in zip(self.class_names, self.probabilities, self.thresholds, strict=True) if p >= t}
        return [(name, chance) for name, chance in self.top(len(self.class_names)) if name in reached]
