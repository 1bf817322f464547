"""Heads in which a learned query attends to the frames, or all tokens, of a clip; their common parts."""

from abc import abstractmethod
from collections.abc import Callable
from contextlib import nullcontext
from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from video_adapters.model.execution import without_autocast
from video_adapters.model.heads.head import Head, Reads
from video_adapters.model.heads.running_norm import RunningNorm

BASE = 1e4  # of the wavelengths in sines of positions (Vaswani et al. 2017)
HEAD_WIDTH = 64  # channels of an attention head: 12 heads at D 768, 16 at 1024
STD = 0.02  # of weights at the start


class QueryHead(Head):
    """Features, with the position of their frame added, seen by a learned query, linear: -> (B, num_classes).

    An image encoder's features do not tell which frame they are of: without positions this head would not tell order.

    Args:
        width: D.
        num_classes: of the scores.
        num_times: T.
        reads: one feature per frame, (B, T, D), or all tokens of every frame, (B, T, N, D).
        positions: `sincos`, sines of fixed wavelengths, or `learned`, a vector per frame.
        standardise: puts `RunningNorm` ahead of it, each channel with one mean and spread over clips, frames and
            tokens: features of a frozen encoder lie far from 0 and hardly differ between clips. Attention may then run
            in half precision; without it all is in fp32, since 8 bits would leave nothing of a small spread.

    Raises:
        ValueError: for other words than these, or fewer than two classes.
    """

    positions: Tensor

    def __init__(
        self, width: int, num_classes: int, num_times: int, reads: Reads, positions: str, standardise: bool
    ) -> None:
        super().__init__(width, num_classes)
        if reads not in get_args(Reads):
            raise ValueError(f"head.reads is {reads}, expected {' or '.join(get_args(Reads))}")
        if positions not in ("sincos", "learned"):
            raise ValueError(f"head.positions is {positions}, expected sincos or learned")
        self.reads = reads
        self.num_heads = num_heads(width)
        self.standardise = RunningNorm(width) if standardise else None
        self.query = nn.Parameter(torch.zeros(1, 1, width))
        if positions == "learned":
            self.positions = nn.Parameter(torch.zeros(1, num_times, width))
        else:
            self.register_buffer("positions", sincos(num_times, width)[None], persistent=False)

    @abstractmethod
    def seen(self, x: Tensor) -> Tensor:
        """What the query makes of a clip: (B, tokens, D) -> (B, D)."""

    def embeddings(self) -> list[nn.Parameter]:
        return [p for p in (self.query, self.positions) if isinstance(p, nn.Parameter)]

    def forward(self, features: Tensor, weights: Tensor | None = None) -> Tensor:
        with without_autocast(features):
            x = (features if self.reads == "tokens" else features[:, :, None]).float()  # (B, T, N, D)
            if self.standardise is not None:
                x = self.standardise(x, weights)
            x = (x + self.positions[:, :, None]).flatten(1, 2)
        with without_autocast(features) if self.standardise is None else nullcontext():
            vector = self.seen(x.to(self.query.dtype))
        with without_autocast(features):
            return self.linear(vector.to(self.linear.weight.dtype))

    def end_step(self, gather: Callable[[Tensor], Tensor]) -> None:
        if self.standardise is not None:
            self.standardise.end_step(gather)


def num_heads(width: int) -> int:
    """Heads of an attention of HEAD_WIDTH channels each or, where these do not divide D, of the next more that do."""
    most = max(width // HEAD_WIDTH, 1)
    return next(heads for heads in range(most, 0, -1) if width % heads == 0)


def sincos(num_times: int, width: int) -> Tensor:
    """Sines, then cosines, of t over wavelengths from 2 pi to 2 pi BASE: () -> (T, D)."""
    rates = BASE ** -(torch.arange(0, width, 2) / width)
    angles = torch.arange(num_times)[:, None] * rates
    return torch.cat((angles.sin(), angles.cos()), dim=1)[:, :width]


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """softmax(q k^T / sqrt d) v, head by head: (B, Q, D), (B, K, D) twice -> (B, Q, D)."""
    parts = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    return F.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2)


def mlp4(width: int) -> nn.Sequential:
    """The MLP of a transformer block, four times as wide within: (..., D) -> (..., D)."""
    return nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))


@torch.no_grad()
def start(head: QueryHead) -> None:
    """Draws the weights of a head, but for its last layer, from a normal of STD, cut at 2; biases are 0."""
    for module in head.modules():
        if isinstance(module, nn.Linear) and module is not head.linear:
            nn.init.trunc_normal_(module.weight, std=STD)
            nn.init.zeros_(module.bias)
    for embedding in head.embeddings():
        nn.init.trunc_normal_(embedding, std=STD)
