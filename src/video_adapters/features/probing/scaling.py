"""Standardising of features by what was fitted on."""

from typing import NamedTuple

import torch
from torch import Tensor


class Scaling(NamedTuple):
    """Features less their mean, over their spread: (N, F) -> (N, F) float64."""

    mean: Tensor  # (F,) float64
    spread: Tensor  # (F,) float64; 0 of a feature that does not vary
    rate: Tensor  # (F,) float64: 1 / spread, or 0 of a feature that does not vary

    def __call__(self, features: Tensor) -> Tensor:
        return (features.double() - self.mean) * self.rate


def scaling_of(features: Tensor) -> Scaling:
    """The scaling that gives features a mean of 0 and a spread of 1: (N, F) -> (F,), (F,).

    In float64, by two passes: features of mean 20 and spread 0.003 leave float32 three digits. What varies by no more
    than the rounding of float32 is taken for constant, and counts for nothing.
    """
    values = features.double()
    mean = values.mean(0)
    spread = (values - mean).square().mean(0).sqrt()
    varies = spread > torch.finfo(torch.float32).eps * mean.abs()
    spread = torch.where(varies, spread, 0)
    return Scaling(mean, spread, torch.where(varies, 1 / spread, 0))
