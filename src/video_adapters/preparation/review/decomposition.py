"""Principal axes of standardised features, from which neighbours and leave-out scores follow."""

from dataclasses import dataclass

import numpy as np

NEGLIGIBLE = 1e-10  # of the largest sum of squares: rounding


@dataclass(frozen=True, kw_only=True)
class Decomposition:
    """The features X of N videos, standardised, with weights w: diag(w)^1/2 X = `left` diag(`squares`)^1/2 V^T."""

    standardised: np.ndarray  # (N, P), X: mean 0 and variance 1 where the weights count
    weights: np.ndarray  # (N,), their sum is N
    left: np.ndarray  # (N, R), orthonormal columns
    squares: np.ndarray  # (R,), above 0, rising

    def whitened(self) -> np.ndarray:
        """Unit vectors whose inner products are the cosines of partly whitened features: (N, R).

        Each axis is divided by the root of its variance plus the mean variance of all: loud axes, which all videos
        share, are damped, and quiet ones, which are noise, are not blown up.
        """
        scale = np.sqrt(self.squares / (self.squares + self.squares.mean()))
        points = self.left * scale / np.sqrt(self.weights)[:, None]
        return points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)


def decompose(features: np.ndarray, labels: np.ndarray) -> Decomposition:
    """Standardises (N, P) features and finds their principal axes; every class counts as much as any other.

    Raises:
        ValueError: all videos have the same features.
    """
    weights = balanced(labels)
    x = features.astype(np.float64)  # first: features of mean 20 and spread 0.003 have few digits
    x -= np.average(x, axis=0, weights=weights)
    spread = np.sqrt(np.average(x**2, axis=0, weights=weights))
    if not spread.any():
        raise ValueError(f"all {len(x)} videos have the same features: there is nothing to compare")
    x /= np.where(spread > 0, spread, 1)
    left, squares = _axes(np.sqrt(weights)[:, None] * x)
    return Decomposition(standardised=x, weights=weights, left=left, squares=squares)


def balanced(labels: np.ndarray) -> np.ndarray:
    """Weights by which all classes that are there count the same, their sum that of the videos: (N,)."""
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return np.asarray(len(labels) / len(counts) / counts[inverse])


def _axes(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Left singular vectors and squared singular values, of the smaller of the two Gram matrices: (N, R), (R,)."""
    if len(x) <= x.shape[1]:
        squares, left = np.linalg.eigh(x @ x.T)
        kept = squares > NEGLIGIBLE * squares[-1]
        return left[:, kept], squares[kept]
    squares, right = np.linalg.eigh(x.T @ x)
    kept = squares > NEGLIGIBLE * squares[-1]
    return x @ right[:, kept] / np.sqrt(squares[kept]), squares[kept]
