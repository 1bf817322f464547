"""The whole network: clips to class scores."""

import torch
from torch import Tensor, nn

from video_adapters.model.backbone import Backbone
from video_adapters.model.heads.head import Head


class VideoClassifier(nn.Module):
    """Backbone and head: (B, T, 3, H, W) uint8, or float already normalised -> logits (B, num_classes)."""

    def __init__(self, backbone: Backbone, head: Head) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, clips: Tensor, weights: Tensor | None = None, tokens: Tensor | None = None) -> Tensor:
        """`weights`: in training, each clip's share of the optimizer step; `tokens`: see `Backbone.forward`."""
        return self.head(self.backbone(clips, tokens), weights)

    def trainable(self) -> dict[str, nn.Parameter]:
        """What training changes, by name."""
        return {name: p for name, p in self.named_parameters() if p.requires_grad}

    def learned(self) -> dict[str, Tensor]:
        """What a run leaves behind, by name: what trains, and all of the head, its statistics too."""
        return {**self.trainable(), **{f"head.{name}": value for name, value in self.head.state_dict().items()}}


def mean_probabilities(
    classifier: nn.Module, clips: Tensor, at_once: int | None = None, tokens: Tensor | None = None
) -> Tensor:
    """Scores of videos: softmax of each view, then the mean: (B, V, T, 3, H, W) -> (B, num_classes) float32.

    So many views go through the network `at_once`; None: all. `tokens`: stored ones of the views, (B, V, L, T, N, D).
    """
    views, size = clips.flatten(0, 1), at_once or clips.shape[0] * clips.shape[1]
    if tokens is None:
        logits = [classifier(part) for part in views.split(size)]
    else:
        pairs = zip(views.split(size), tokens.flatten(0, 1).split(size), strict=True)
        logits = [classifier(part, tokens=stored) for part, stored in pairs]
    probabilities = torch.cat([part.float() for part in logits]).softmax(-1)
    return probabilities.unflatten(0, clips.shape[:2]).mean(1)
