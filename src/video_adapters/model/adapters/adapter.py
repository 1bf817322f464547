"""Parts of adapter methods: bottleneck, bias over time, drop path."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from video_adapters.model.adapters.bottleneck import bottleneck


class Adapter(nn.Module):
    """Bottleneck up(gelu(down(x))), zero before training; a skip is written where it is called: (..., D) -> (..., D).

    Args:
        width: D.
        ratio: bottleneck width as a share of D, rounded down.
        activation: gelu or relu.

    Raises:
        ValueError: when no bottleneck unit is left.
    """

    def __init__(self, width: int, ratio: float, activation: str = "gelu") -> None:
        super().__init__()
        self.activation = activation
        hidden = bottleneck_width(width, ratio)
        self.down = nn.Linear(width, hidden)
        self.up = nn.Linear(hidden, width)
        nn.init.trunc_normal_(self.down.weight, std=0.02)
        for zero in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(zero)

    def forward(self, x: Tensor, made_from: Tensor | None = None, by: nn.Module | None = None) -> Tensor:
        """With `made_from` and `by`, x is by(made_from), and is made again in the backward pass instead of kept."""
        layers = self.down.weight, self.down.bias, self.up.weight, self.up.bias
        return bottleneck(x, *layers, made_from, by, self.activation)

    def through(self, x: Tensor, down: Tensor, down_bias: Tensor | None) -> Tensor:
        """The same with another first layer, (K, E) and (K,): (..., E) -> (..., D)."""
        assert down_bias is not None
        return bottleneck(x, down, down_bias, self.up.weight, self.up.bias, activation=self.activation)


class LinearAdapter(nn.Module):
    """scale * up(down(x)), zero before training; a skip is written where it is called: (..., D) -> (..., D).

    With the skip it is one linear map (`with_skip`), which a linear layer next to it can take in.

    Args:
        width: D.
        ratio: bottleneck width as a share of D, rounded down.
        scale: of what is added.
        bias: whether the two layers have biases.
        dropout: rate at which hidden units are dropped in training.

    Raises:
        ValueError: when no bottleneck unit is left.
    """

    def __init__(self, width: int, ratio: float, scale: float = 1.0, bias: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        hidden = bottleneck_width(width, ratio)
        self.scale = scale
        self.down = nn.Linear(width, hidden, bias=bias)
        self.dropout = nn.Dropout(dropout)
        self.up = nn.Linear(hidden, width, bias=bias)
        nn.init.trunc_normal_(self.down.weight, std=0.02)
        for zero in (self.down.bias, self.up.weight, self.up.bias):
            if zero is not None:
                nn.init.zeros_(zero)

    def forward(self, x: Tensor) -> Tensor:
        return self.through(x, self.down.weight, self.down.bias)

    def through(self, x: Tensor, down: Tensor, down_bias: Tensor | None) -> Tensor:
        """The same with another first layer, (K, E) and (K,): (..., E) -> (..., D)."""
        return self.scale * self.up(self.dropout(F.linear(x, down, down_bias)))

    @torch.no_grad()
    def with_skip(self) -> tuple[Tensor, Tensor | None]:
        """A and c of x + adapter(x) = A x + c: I + scale W2 W1, (D, D), and scale (W2 b1 + b2), (D,); float64."""
        down, up = self.down.weight.double(), self.up.weight.double()
        matrix = self.scale * up @ down
        matrix.diagonal().add_(1)
        if self.up.bias is None:
            return matrix, None
        return matrix, self.scale * (up @ self.down.bias.double() + self.up.bias.double())


Bottleneck = Adapter | LinearAdapter


def bottleneck_width(width: int, ratio: float) -> int:
    """A share of D, rounded down.

    Raises:
        ValueError: when no unit is left.
    """
    if (hidden := int(width * ratio)) < 1:
        raise ValueError(f"adapter.ratio={ratio} of width {width} leaves no unit; at least {1 / width:.4g} is due")
    return hidden


class TimeBias(nn.Module):
    """A learned bias of each head over the distance between frames, zero before training: () -> (heads, T, T).

    Swin's relative position bias, over time. In the official AIM code it stayed at its random start, frozen by name;
    here it trains.
    """

    distances: Tensor

    def __init__(self, num_heads: int, num_times: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(2 * num_times - 1, num_heads))
        times = torch.arange(num_times)
        self.register_buffer("distances", times[:, None] - times + num_times - 1, persistent=False)

    def forward(self) -> Tensor:
        return self.table[self.distances].permute(2, 0, 1)


class DropPath(nn.Module):
    """Drops a branch for whole clips with probability `rate`, the rest scaled by 1 / (1 - rate): (B*T, ..., D), same.

    One draw per clip. The official AIM code draws along the first axis of (N, B*T, D), that is per token index and
    alike for the whole batch; dropping a residual branch per sample is what the cited method (Huang et al. 2016) means.
    """

    def __init__(self, rate: float, num_times: int) -> None:
        super().__init__()
        self.rate = rate
        self.num_times = num_times

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0.0:
            return x
        keep = x.new_empty(x.shape[0] // self.num_times).bernoulli_(1 - self.rate)
        keep = keep.repeat_interleave(self.num_times).view(-1, *[1] * (x.dim() - 1))
        return x / (1 - self.rate) * keep  # 1 / (1 - rate) itself is off by up to 0.4 % in bf16


def check_drop_path(rate: float) -> None:
    """Refuses a rate out of range.

    Raises:
        ValueError: naming it.
    """
    if not 0 <= rate < 1:
        raise ValueError(f"adapter.drop_path is {rate}, expected a rate from 0 to below 1")


def rising(rate: float, num_blocks: int) -> list[float]:
    """A rate of drop path for each block: 0 in the first, rising linearly to `rate` in the last."""
    return [rate * i / max(num_blocks - 1, 1) for i in range(num_blocks)]
