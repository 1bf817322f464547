"""The frames of a clip one after the other, and a linear layer."""

from torch import Tensor

from video_adapters.model.heads.linear_head import LinearHead


class LinearInOrderHead(LinearHead):
    """Frames concatenated, standardised, linear: (B, T, D) -> (B, num_classes). It tells order, which a mean cannot.

    Args:
        width: D.
        num_classes: of the scores.
        num_times: T; every channel of every frame has a weight and, standardised, a mean and a spread of its own.
        dropout: rate.
        standardise: puts `RunningNorm` ahead of the dropout: features of a frozen encoder hardly differ between clips.
    """

    def __init__(
        self, width: int, num_classes: int, num_times: int, dropout: float = 0.0, standardise: bool = True
    ) -> None:
        super().__init__(num_times * width, num_classes, dropout, standardise)

    def vector(self, features: Tensor) -> Tensor:
        return features.flatten(1)
