"""From frame features to class scores."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class MeanHead(nn.Module):
    """Mean over frames, dropout, linear: (B, T, D) -> (B, num_classes). AIM's head (its `I3DHead`).

    Args:
        width: D.
        num_classes: of the scores.
        dropout: rate.
        standardise: puts `Standardise` ahead of the dropout, for small data sets.

    Raises:
        ValueError: for a dropout rate out of [0, 1), or fewer than two classes.
    """

    def __init__(self, width: int, num_classes: int, dropout: float = 0.5, standardise: bool = False) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ValueError(f"head.dropout is {dropout}, expected a rate from 0 to below 1")
        if num_classes < 2:
            raise ValueError(f"data.num_classes is {num_classes}, expected at least 2")
        self.standardise = Standardise(width) if standardise else None
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(width, num_classes)
        nn.init.normal_(self.linear.weight, std=0.01)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features: Tensor, weights: Tensor | None = None) -> Tensor:
        """`weights`: in training, each clip's share of the optimizer step."""
        features = features.mean(1)
        if self.standardise is not None:
            features = self.standardise(features, weights)
        return self.linear(self.dropout(features))


class Standardise(nn.Module):
    """Features less their running mean, over their running spread: (B, D) -> (B, D).

    Batch norm without affine parts, as in linear probing, but by what was seen up to the last optimizer step instead of
    the clips at hand. So a clip's score does not depend on the clips beside it, training and evaluation compute the
    same, and devices and accumulation make no difference; batch norm on 8 clips has neither. In the first step features
    pass as they are.

    Args:
        width: D.
        momentum: weight of the newest step; of the first ones more, so that they make a plain mean.
        epsilon: added to the variance.
    """

    mean: Tensor
    var: Tensor
    steps: Tensor

    def __init__(self, width: int, momentum: float = 0.05, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.momentum, self.epsilon = momentum, epsilon
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("var", torch.ones(width))
        self.register_buffer("steps", torch.tensor(0))
        self._moments = torch.zeros(2, width)  # first and second about the mean, of the step so far; DDP must not share

    def forward(self, x: Tensor, weights: Tensor | None = None) -> Tensor:
        centred = x.float() - self.mean
        if weights is not None:
            seen = centred.detach()
            moments = torch.einsum("b,kbd->kd", weights.float(), torch.stack([seen, seen.square()]))
            self._moments = self._moments.to(moments.device) + moments
        return centred * (self.var + self.epsilon).rsqrt()

    @torch.no_grad()
    def end_step(self, sum_over_devices: Callable[[Tensor], Tensor]) -> None:
        """Takes the step's clips into the statistics."""
        shift, second = sum_over_devices(self._moments)
        self._moments = torch.zeros_like(self._moments)
        rate = (1 / (self.steps + 1)).clamp(min=self.momentum)
        # the variance of a mixture: both parts' own, and that between their means
        spread = (1 - rate) * self.var + rate * (second - shift.square()) + rate * (1 - rate) * shift.square()
        self.var.copy_(spread)
        self.mean.add_(rate * shift)
        self.steps.add_(1)
