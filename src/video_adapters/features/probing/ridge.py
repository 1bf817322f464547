"""Ridge regression of one-hot labels: the closed form of a linear probe."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from video_adapters.features.probing.scaling import scaling_of


class Ridge:
    """All penalties' solutions from one decomposition.

    With the standardised features Z (N, F) and the centred one-hot labels Y (N, C), a penalty p has the weights
    (Z'Z + p s)^-1 Z'Y = Z' (ZZ' + p s)^-1 Y: of the two Gram matrices the smaller one, F x F or N x N, is decomposed.
    Its eigenvalues that are not 0 have the mean s = max(N, F), since Z has N F entries of mean square 1. So a penalty
    says how much of an average direction is shrunk away, whatever the numbers of clips, frames and channels: one grid
    fits them all. The intercept is not penalised. A class without clips gets the score 0 everywhere, and is never the
    best: the scores of a clip sum to 1.

    Args:
        features: (N, F), any spread.
        labels: (N,).
        num_classes: C.
    """

    def __init__(self, features: Tensor, labels: Tensor, num_classes: int) -> None:
        self.scaling = scaling_of(features)
        z = self.scaling(features)
        targets = F.one_hot(labels, num_classes).double()
        self.bias = targets.mean(0)
        targets = targets - self.bias
        self._size = max(z.shape)
        self._rows = z if z.shape[1] > z.shape[0] else None  # of the dual form
        if self._rows is None:
            gram, targets = z.T @ z, z.T @ targets
        else:
            gram = z @ z.T
        self._eigenvalues, self._vectors = torch.linalg.eigh(gram)
        self._rotated = self._vectors.T @ targets

    def weight(self, penalty: float) -> Tensor:
        """Of the standardised features: (F, C) float64."""
        shrunk = self._rotated / (self._eigenvalues.clamp(min=0) + penalty * self._size)[:, None]
        solution = self._vectors @ shrunk
        return solution if self._rows is None else self._rows.T @ solution

    def scores(self, features: Tensor, penalties: Iterable[float]) -> Tensor:
        """Of other clips, by each penalty: (M, F) -> (P, M, C) float64."""
        z = self.scaling(features)
        return torch.stack([z @ self.weight(penalty) + self.bias for penalty in penalties])
