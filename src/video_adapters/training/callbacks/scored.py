"""Videos of a test with their probabilities."""

from typing import NamedTuple

import numpy as np


class Scored(NamedTuple):
    """Videos of a test in the data set's order, each once."""

    indices: np.ndarray  # (N,) places in the data set
    probabilities: np.ndarray  # (N, C) float32
    readable: np.ndarray  # (N,) bool; where not, the probabilities are of a blank clip

    @property
    def answered(self) -> np.ndarray:
        """Which videos were read and got scores that are finite numbers; the others count as wrong: (N,) bool."""
        return self.readable & np.isfinite(self.probabilities).all(1)
