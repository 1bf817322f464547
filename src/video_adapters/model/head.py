"""From frame features to class scores."""

from torch import Tensor, nn


class MeanHead(nn.Module):
    """Mean over frames, dropout, linear: (B, T, D) -> (B, num_classes). AIM's head (its `I3DHead`).

    Raises:
        ValueError: for a dropout rate out of [0, 1), or fewer than two classes.
    """

    def __init__(self, width: int, num_classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ValueError(f"head.dropout is {dropout}, expected a rate from 0 to below 1")
        if num_classes < 2:
            raise ValueError(f"data.num_classes is {num_classes}, expected at least 2")
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(width, num_classes)
        nn.init.normal_(self.linear.weight, std=0.01)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features: Tensor) -> Tensor:
        return self.linear(self.dropout(features.mean(1)))
