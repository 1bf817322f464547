"""Heads that are one linear layer over a vector of the clip."""

from abc import abstractmethod
from collections.abc import Callable

from torch import Tensor, nn

from video_adapters.model.execution import without_autocast
from video_adapters.model.heads.head import Head
from video_adapters.model.heads.running_norm import RunningNorm


class LinearHead(Head):
    """A clip's vector, standardised if so set, dropout, linear: (B, T, D) -> (B, num_classes).

    Args:
        width: of the vector.
        num_classes: of the scores.
        dropout: rate.
        standardise: puts `RunningNorm` ahead of the dropout.

    Raises:
        ValueError: for a dropout rate out of [0, 1), or fewer than two classes.
    """

    def __init__(self, width: int, num_classes: int, dropout: float, standardise: bool) -> None:
        super().__init__(width, num_classes)
        if not 0 <= dropout < 1:
            raise ValueError(f"head.dropout is {dropout}, expected a rate from 0 to below 1")
        self.standardise = RunningNorm(width) if standardise else None
        self.dropout = nn.Dropout(dropout)

    @abstractmethod
    def vector(self, features: Tensor) -> Tensor:
        """What the linear layer reads: (B, T, D) float32 -> (B, width)."""

    def forward(self, features: Tensor, weights: Tensor | None = None) -> Tensor:
        """In fp32 whatever autocast says: 8 bits would leave classes level, and nothing of a small spread."""
        with without_autocast(features):
            vector = self.vector(features.float())
            if self.standardise is not None:
                vector = self.standardise(vector, weights)
            return self.linear(self.dropout(vector).to(self.linear.weight.dtype))

    def end_step(self, gather: Callable[[Tensor], Tensor]) -> None:
        if self.standardise is not None:
            self.standardise.end_step(gather)
