"""Parts of adapter methods, and the interface between a method and the backbone."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from video_adapters.model.adapters.bottleneck import bottleneck
from video_adapters.model.encoders.attention import Answer
from video_adapters.model.encoders.encoder import Encoder
from video_adapters.model.execution import recompute


class AdaptedBlock(nn.Module, ABC):
    """A pretrained block with what a method puts around its parts: (B*T, ..., D) -> same shape."""

    keep: int | None = None
    """How many tokens of a frame, from the first, are read after this block: the others need not leave it."""

    as_published: bool = False
    """Whether every product that the paper writes is computed as it stands, for counting them."""

    recompute_mlp: bool = False
    """Whether the MLP's hidden layer is made again in the backward pass instead of kept."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """With `keep`: (B*T, N, D) -> (B*T, keep, D)."""

    def without_hidden(self, branch: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """branch(x), the block's way through its MLP, keeping no more than the block is told to."""
        return recompute(branch, x) if self.recompute_mlp else branch(x)

    @abstractmethod
    def pretrained(self) -> list[nn.Parameter]:
        """Parameters that came with the encoder, or start as copies of such."""

    @abstractmethod
    def positions(self) -> list[nn.Parameter]:
        """Parameters that stand for positions in space or time, which recipes exempt from weight decay."""


class Adapted(NamedTuple):
    """An encoder's blocks with a method around them."""

    blocks: list[AdaptedBlock]
    tuned: tuple[nn.Module, ...]  # what of the pretrained network trains beside what was added
    time_from: int | None  # the block before which a temporal embedding enters; None: there is none


class AdapterMethod(ABC):
    """The settings of one paper's method; `adapt` puts it around an encoder's blocks."""

    @abstractmethod
    def adapt(self, encoder: Encoder, num_times: int) -> Adapted:
        """Wraps the blocks of a frozen encoder, for clips of `num_times` frames or tubelets. What it adds trains."""


class Adapter(nn.Module):
    """Bottleneck up(gelu(down(x))), zero before training; a skip is written where it is called: (..., D) -> (..., D).

    Args:
        width: D.
        ratio: bottleneck width as a share of D, rounded down.

    Raises:
        ValueError: when no bottleneck unit is left.
    """

    def __init__(self, width: int, ratio: float) -> None:
        super().__init__()
        hidden = int(width * ratio)
        if hidden < 1:
            raise ValueError(f"adapter.ratio={ratio} of width {width} leaves no unit; at least {1 / width:.4g} is due")
        self.down = nn.Linear(width, hidden)
        self.up = nn.Linear(hidden, width)
        nn.init.trunc_normal_(self.down.weight, std=0.02)
        for zero in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(zero)

    def forward(self, x: Tensor, made_from: Tensor | None = None, by: nn.Module | None = None) -> Tensor:
        """With `made_from` and `by`, x is by(made_from), and is made again in the backward pass instead of kept."""
        return bottleneck(x, self.down.weight, self.down.bias, self.up.weight, self.up.bias, made_from, by)

    def of(self, answer: Answer) -> Tensor:
        """The same for what an attention answers, without its last layer where that is linear: (..., D) -> (..., D).

        That layer and `down` make one: a product of K x D x D replaces one of tokens x D x D, and the answer itself is
        not kept for the backward pass.
        """
        if answer.weight is None:
            return self(answer.mixed)
        weight, bias = answer.into(self.down.weight, self.down.bias)
        return bottleneck(answer.mixed, weight, bias, self.up.weight, self.up.bias)


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


def drop_paths(rate: float, num_blocks: int, num_times: int) -> list[DropPath]:
    """One for each block: 0 in the first, rising linearly to `rate` in the last."""
    return [DropPath(rate * i / max(num_blocks - 1, 1), num_times) for i in range(num_blocks)]
