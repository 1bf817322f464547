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

    def forward(self, clips: Tensor, weights: Tensor | None = None) -> Tensor:
        """`weights`: in training, each clip's share of the optimizer step."""
        return self.head(self.backbone(clips), weights)

    def trainable(self) -> dict[str, nn.Parameter]:
        """What training changes, by name."""
        return {name: p for name, p in self.named_parameters() if p.requires_grad}

    def learned(self) -> dict[str, Tensor]:
        """What a run leaves behind, by name: what trains, and all of the head, its statistics too."""
        return {**self.trainable(), **{f"head.{name}": value for name, value in self.head.state_dict().items()}}


def mean_probabilities(classifier: nn.Module, clips: Tensor, at_once: int | None = None) -> Tensor:
    """Scores of videos: softmax of each view, then the mean: (B, V, T, 3, H, W) -> (B, num_classes) float32.

    So many views go through the network `at_once`; None: all.
    """
    views = clips.flatten(0, 1)
    logits = torch.cat([classifier(part).float() for part in views.split(at_once or len(views))])
    return logits.softmax(-1).unflatten(0, clips.shape[:2]).mean(1)
