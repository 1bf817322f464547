"""The whole network: clips to class scores."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from video_adapters.model.backbone import Backbone
from video_adapters.model.heads.head import Head

PROBABILITIES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "one": lambda logits: logits.softmax(-1),  # classes exclude each other
    "multi": lambda logits: logits.sigmoid(),
}
"""What logits say, by `data.labels`."""


class VideoClassifier(nn.Module):
    """Backbone and head: (B, T, 3, H, W) uint8, or float already normalised -> logits (B, num_classes).

    Args:
        backbone: clips to features.
        head: features to logits.
        labels: `data.labels`: one, or multi where a video may have several; it decides what logits mean.

    Raises:
        ValueError: for other labels.
    """

    def __init__(self, backbone: Backbone, head: Head, labels: str = "one") -> None:
        super().__init__()
        if labels not in PROBABILITIES:
            raise ValueError(f"data.labels is {labels}, expected one of: {', '.join(PROBABILITIES)}")
        self.labels = labels
        self.backbone = backbone
        self.head = head

    def forward(self, clips: Tensor, weights: Tensor | None = None, tokens: Tensor | None = None) -> Tensor:
        """`weights`: in training, each clip's share of the optimizer step; `tokens`: see `Backbone.forward`."""
        return self.head(self.backbone(clips, tokens), weights)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Of each class, or that it is the one: (..., C) -> (..., C)."""
        return PROBABILITIES[self.labels](logits)

    def trainable(self) -> dict[str, nn.Parameter]:
        """What training changes, by name."""
        return {name: p for name, p in self.named_parameters() if p.requires_grad}

    def learned(self) -> dict[str, Tensor]:
        """What a run leaves behind, by name: what trains, and all of the head, its statistics too."""
        return {**self.trainable(), **{f"head.{name}": value for name, value in self.head.state_dict().items()}}


def mean_probabilities(
    classifier: VideoClassifier,
    clips: Tensor,
    at_once: int | None = None,
    tokens: Tensor | None = None,
    of_features: bool = False,
) -> Tensor:
    """Scores of videos: probabilities of each view, then their mean: (B, V, T, 3, H, W) -> (B, num_classes) float32.

    So many views go through the network `at_once`; None: all. `tokens`: stored ones of the views, (B, V, L, T, N, D).
    `of_features`: clips are stored features, which the head alone reads.
    """
    network = classifier.head if of_features else classifier
    views, size = clips.flatten(0, 1), at_once or clips.shape[0] * clips.shape[1]
    if tokens is None:
        logits = [network(part) for part in views.split(size)]
    else:
        pairs = zip(views.split(size), tokens.flatten(0, 1).split(size), strict=True)
        logits = [network(part, tokens=stored) for part, stored in pairs]
    probabilities = classifier.probabilities(torch.cat([part.float() for part in logits]))
    return probabilities.unflatten(0, clips.shape[:2]).mean(1)
