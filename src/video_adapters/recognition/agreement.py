"""Agreement of an exported network with the one that it was made of, value by value on noise."""

import torch
from torch import Tensor

from video_adapters.model.backbone import Backbone

TOLERANCE = 1e-4  # largest difference from what PyTorch gives, as a share of its largest value or, above 1, of 1
BATCHES = (1, 3)  # sizes that the written file is tried with; it is traced with 2


def noise(backbone: Backbone, count: int) -> Tensor:
    """The same every time: (count, T, 3, S, S) uint8."""
    generator = torch.Generator().manual_seed(count)
    shape = (count, backbone.num_frames, 3, *backbone.encoder.image_size)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def difference(expected: Tensor, given: Tensor) -> float:
    """The largest. Of several hundred classes' probabilities none may be above 0.01: it is a share of the largest
    value, unless that is above 1, as logits are."""
    if expected.shape != given.shape:
        return float("inf")
    return float((expected - given).abs().max() / expected.abs().max().clamp(max=1))
