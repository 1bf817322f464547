"""Features of frames as pretrained encoders give them."""

import torch
from torch import Tensor


def like_real_ones(num: int, width: int = 384) -> Tensor:
    """Features as CLIP and DINOv2 have them: far from 0, hardly spread, three channels a hundred times the others."""
    generator = torch.Generator().manual_seed(0)
    features = 20 + 0.003 * torch.randn(num, width, generator=generator)
    features[:, :3] *= 100
    return features
