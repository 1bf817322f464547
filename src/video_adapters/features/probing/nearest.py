"""k nearest neighbours: a control without anything fitted."""

import numpy as np
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from video_adapters.features.probing.scaling import scaling_of


def nearest(features: Tensor, labels: Tensor, num_classes: int, others: Tensor, neighbours: int) -> Tensor:
    """Shares of each class among the clips whose standardised features point most nearly the same way.

    Args:
        features: (N, F).
        labels: (N,).
        num_classes: C.
        others: (M, F), to be scored.
        neighbours: at most so many; nearer ones count for more, so that few classes are level.

    Returns: (M, C) float64.
    """
    scaling = scaling_of(features)
    among = KNeighborsClassifier(min(neighbours, len(features)), metric="cosine", weights="distance")
    among.fit(scaling(features).float().numpy(), labels.numpy())
    shares = np.zeros((len(others), num_classes))
    shares[:, among.classes_] = among.predict_proba(scaling(others).float().numpy())
    return torch.from_numpy(shares)
