"""Class scores of every video by a ridge regression that has seen neither it nor its group."""

from typing import NamedTuple

import numpy as np

from video_adapters.preparation.review.decomposition import Decomposition

PENALTIES = 10.0 ** np.arange(-3, 3)  # times the mean of the squared singular values


class LeftOut(NamedTuple):
    """Scores, on targets 1 of the class and 0 of the others."""

    scores: np.ndarray  # (N, C)
    penalty: float  # the best of PENALTIES

    def accuracy(self, labels: np.ndarray) -> float:
        """Share of the videos whose highest score is that of their label."""
        return float((self.scores.argmax(1) == labels).mean())


def left_out(axes: Decomposition, labels: np.ndarray, num_classes: int, groups: np.ndarray) -> LeftOut:
    """Scores of each group's videos, fitted on all other groups, without fitting anew.

    A ridge with intercept is linear in its targets, y_fit = H y. Without the group g its residuals on g are
    (I - H_gg)^-1 (y - y_fit)_g: exactly, for a given penalty and standardisation (Hastie et al., The Elements of
    Statistical Learning, eq. 7.64, for one video). The penalty is the one of the least squared error of these.

    Args:
        axes: of the features.
        labels: (N,), from 0 to C - 1.
        num_classes: C.
        groups: (N,) numbers; videos of one number are left out together. If all have the same, one by one.
    """
    roots = np.sqrt(axes.weights)[:, None]
    targets = roots * np.eye(num_classes)[labels]
    intercept = roots / np.sqrt(axes.weights.sum())  # a unit vector, orthogonal to `left`, which is not penalised
    basis, parts = np.hstack([axes.left, intercept]), _parts(groups)
    best, least = None, np.inf
    for penalty in PENALTIES:
        kept = np.append(axes.squares / (axes.squares + penalty * axes.squares.mean()), 1.0)
        residuals = _left_out_residuals(basis, kept, targets, parts)
        if (error := float((residuals**2).sum())) < least:
            best, least = LeftOut((targets - residuals) / roots, float(penalty)), error
    assert best is not None
    return best


def _parts(groups: np.ndarray) -> list[np.ndarray]:
    """The videos that are left out together."""
    order = np.argsort(groups, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    return parts if len(parts) > 1 else np.split(order, len(order))


def _left_out_residuals(
    basis: np.ndarray, kept: np.ndarray, targets: np.ndarray, parts: list[np.ndarray]
) -> np.ndarray:
    """Residuals without each part, of the map H = basis diag(kept) basis^T: (N, R), (R,), (N, C) -> (N, C)."""
    residuals = targets - basis @ (kept[:, None] * (basis.T @ targets))
    for part in parts:
        hat = (basis[part] * kept) @ basis[part].T
        residuals[part] = np.linalg.solve(np.eye(len(part)) - hat, residuals[part])
    return residuals
