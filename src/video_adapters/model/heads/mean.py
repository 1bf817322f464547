"""The mean over frames and a linear layer."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from video_adapters.model.execution import without_autocast
from video_adapters.model.heads.head import Head


class MeanHead(Head):
    """Mean over frames, dropout, linear: (B, T, D) -> (B, num_classes). AIM's head (its `I3DHead`).

    Args:
        width: D.
        num_classes: of the scores.
        dropout: rate.
        standardise: puts `RunningNorm` ahead of the dropout, for small data sets.

    Raises:
        ValueError: for a dropout rate out of [0, 1), or fewer than two classes.
    """

    def __init__(self, width: int, num_classes: int, dropout: float = 0.5, standardise: bool = False) -> None:
        super().__init__(width, num_classes)
        if not 0 <= dropout < 1:
            raise ValueError(f"head.dropout is {dropout}, expected a rate from 0 to below 1")
        self.standardise = RunningNorm(width) if standardise else None
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor, weights: Tensor | None = None) -> Tensor:
        """In fp32 whatever autocast says: 8 bits would leave classes level, and nothing of a small spread."""
        with without_autocast(features):
            features = features.float().mean(1)
            if self.standardise is not None:
                features = self.standardise(features, weights)
            return self.linear(self.dropout(features).to(self.linear.weight.dtype))

    def end_step(self, gather: Callable[[Tensor], Tensor]) -> None:
        if self.standardise is not None:
            self.standardise.end_step(gather)


class RunningNorm(nn.Module):
    """Features less their running mean, over their running spread: (B, D) -> (B, D) float32.

    Batch norm without affine parts, as in linear probing, but by what was seen up to the last optimizer step instead of
    the clips at hand. So a clip's score does not depend on the clips beside it, training and evaluation compute the
    same, and devices and accumulation make no difference; batch norm on 8 clips has neither. In the first step features
    pass as they are. Autocast is to be off where it is called.

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
        self._moments: list[Tensor] = []  # of the step's clips so far, about the running mean; DDP must not share them

    def forward(self, x: Tensor, weights: Tensor | None = None) -> Tensor:
        centred = x.float() - self.mean
        if weights is not None:
            self._moments.append(moments(centred.detach(), weights.float()))
        return centred * (self.var + self.epsilon).rsqrt()

    @torch.no_grad()
    def end_step(self, gather: Callable[[Tensor], Tensor]) -> None:
        """Takes the step's clips into the statistics; a step that is not finite, which fp16 skips, leaves them be.

        Args:
            gather: (3, D) of each device -> (devices, 3, D), the same on all.
        """
        _, shift, var = merged(gather(merged(torch.stack(self._moments))))
        self._moments = []
        rate = (1 / (self.steps + 1)).clamp(min=self.momentum)
        # the variance of a mixture: both parts' own, and that between their means
        spread = (1 - rate) * self.var + rate * var + rate * (1 - rate) * shift.square()
        mean = self.mean + rate * shift
        finite = mean.isfinite().all() & spread.isfinite().all()
        self.var.copy_(torch.where(finite, spread, self.var))
        self.mean.copy_(torch.where(finite, mean, self.mean))
        self.steps.add_(finite)


def moments(x: Tensor, weights: Tensor) -> Tensor:
    """Sum of weights, weighted mean and variance of each feature: (B, D), (B,) -> (3, D).

    By two passes: the mean square less the square of the mean is nothing but rounding where the spread is small beside
    the mean. Clips of weight 0 count for nothing, whatever they hold.
    """
    weights = weights[:, None]
    seen = torch.where(weights > 0, x, 0)
    total = weights.sum()
    divisor = total.clamp(min=torch.finfo(total.dtype).tiny)  # without any clip the mean is 0
    mean = (weights * seen).sum(0) / divisor
    var = (weights * (seen - mean).square()).sum(0) / divisor
    return torch.stack([total.expand_as(mean), mean, var])


def merged(parts: Tensor) -> Tensor:
    """Moments of all clips by those of parts of them (Chan et al. 1979): (P, 3, D) -> (3, D)."""
    weights, means, variances = parts.unbind(1)
    total = weights.sum(0)
    shares = weights / total.clamp(min=torch.finfo(total.dtype).tiny)
    mean = (shares * means).sum(0)
    return torch.stack([total, mean, (shares * (variances + (means - mean).square())).sum(0)])
