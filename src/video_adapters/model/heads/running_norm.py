"""Features standardised by the statistics of what was seen before."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class RunningNorm(nn.Module):
    """Features less their running mean, over their running spread: (B, ..., D) -> same shape, float32.

    Batch norm without affine parts, as in linear probing, but by what was seen up to the last optimizer step instead of
    the clips at hand. So a clip's score does not depend on the clips beside it, training and evaluation compute the
    same, and devices and accumulation make no difference; batch norm on 8 clips has neither. In the first step features
    pass as they are. Autocast is to be off where it is called.

    Each of the D has a mean and a spread of its own, over clips and all that stands between (frames, tokens). Frames of
    their own statistics are features of one vector: (B, T*D).

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
            rows = centred.detach().reshape(len(x), -1, x.shape[-1])
            shares = weights.float()[:, None].expand(rows.shape[:2])
            self._moments.append(moments(rows.flatten(0, 1), shares.flatten()))
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
