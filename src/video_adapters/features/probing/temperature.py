"""The temperature that makes probabilities of scores."""

import torch
import torch.nn.functional as F
from torch import Tensor

HALVINGS = 60  # of an interval of 16 decades: more than float64 tells apart


def temperature(scores: Tensor, labels: Tensor) -> float:
    """The divisor of scores whose softmax tells held-out labels best, by the cross-entropy: (N, C), (N,) -> above 0.

    The loss is convex in the divisor's inverse, so that its slope has one zero. Targets are smoothed, as
    Platt's (1999, section 2.2), as if two more clips had been of all classes alike: scores that are always right would
    else be divided by 0.
    """
    count, num_classes = scores.shape
    scores = scores.double()
    smoothing = 2 / (count + 2)
    targets = (1 - smoothing) * F.one_hot(labels, num_classes) + smoothing / num_classes
    low, high = torch.tensor([-8.0, 8.0], dtype=torch.float64)  # decades of the inverse
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        slope = ((scores * 10**middle).softmax(1) - targets).mul(scores).sum()
        low, high = (middle, high) if slope < 0 else (low, middle)
    return float(10**-low)
