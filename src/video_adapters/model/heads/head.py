"""The interface between the features of clips and their class scores."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn

Reads = Literal["frames", "tokens"]
"""Features of a clip: one per frame, (B, T, D), or those of all tokens behind the final norm, (B, T, N, D), class token
and registers first. (T counts tubelets where they share tokens.)"""


class Head(nn.Module, ABC):
    """Turns features into class scores, by a linear layer at the end.

    Args:
        width: of what enters that layer.
        num_classes: of the scores.

    Attributes:
        reads: the features that enter the head; where its config may choose them, an argument of this name.
        linear: the last layer. A row per class: weights of classes in another order are matched by its name.

    Raises:
        ValueError: for fewer than two classes.
    """

    reads: Reads = "frames"

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        if num_classes < 2:
            raise ValueError(f"data.num_classes is {num_classes}, expected at least 2")
        self.linear = nn.Linear(width, num_classes)
        nn.init.normal_(self.linear.weight, std=0.01)  # as in AIM
        nn.init.zeros_(self.linear.bias)

    @abstractmethod
    def forward(self, features: Tensor, weights: Tensor | None = None) -> Tensor:
        """Features, as `reads` says -> (B, num_classes). `weights`: in training, each clip's share of the step."""

    def embeddings(self) -> list[nn.Parameter]:
        """Queries and positions, which recipes exempt from weight decay; most heads have none."""
        return []

    def end_step(self, gather: Callable[[Tensor], Tensor]) -> None:
        """Ahead of every optimizer step, for heads with running statistics; most have none.

        `gather`: (...) of each device -> (devices, ...), the same on all.
        """
