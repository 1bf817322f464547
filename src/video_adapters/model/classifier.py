"""The whole network: clips to class scores."""

from torch import Tensor, nn

from video_adapters.model.backbone import Backbone
from video_adapters.model.head import MeanHead


class VideoClassifier(nn.Module):
    """Backbone and head: (B, T, 3, H, W) uint8, or float already normalised -> logits (B, num_classes)."""

    def __init__(self, backbone: Backbone, head: MeanHead) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, clips: Tensor) -> Tensor:
        return self.head(self.backbone.features(clips))

    def trainable(self) -> dict[str, nn.Parameter]:
        """What training changes, by name."""
        return {name: p for name, p in self.named_parameters() if p.requires_grad}
