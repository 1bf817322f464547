"""The mean over frames and a linear layer."""

from torch import Tensor

from video_adapters.model.heads.linear_head import LinearHead


class MeanHead(LinearHead):
    """Mean over frames, dropout, linear: (B, T, D) -> (B, num_classes). AIM's head (its `I3DHead`).

    Args:
        width: D.
        num_classes: of the scores.
        dropout: rate.
        standardise: puts `RunningNorm` ahead of the dropout, for small data sets.
    """

    def __init__(self, width: int, num_classes: int, dropout: float = 0.5, standardise: bool = False) -> None:
        super().__init__(width, num_classes, dropout, standardise)

    def vector(self, features: Tensor) -> Tensor:
        return features.mean(1)
