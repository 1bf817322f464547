"""What a model costs: parameters, and multiply-accumulates of one view."""

from typing import NamedTuple

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from video_adapters.model.classifier import VideoClassifier


class Cost(NamedTuple):
    """Counts of one model for one view."""

    params: int  # all of them, the classifier included
    trainable: int  # adapters, temporal embedding, final norm, head
    macs: int  # of convolutions, linears, QK^T and AV; the papers' "GFLOPs" are these, times views


def count(model: VideoClassifier) -> Cost:
    """Counts a model, which may stand on the meta device: nothing is computed there."""
    params = sum(p.numel() for p in model.parameters())
    trainable = sum(p.numel() for p in model.trainable().values())
    return Cost(params, trainable, _macs(model))


@torch.no_grad()
def _macs(model: VideoClassifier) -> int:
    backbone = model.backbone
    device = next(model.parameters()).device
    clip = torch.zeros(1, backbone.num_frames, 3, *backbone.encoder.image_size, dtype=torch.uint8, device=device)
    mode = model.training
    model.train()  # in eval mode nn.MultiheadAttention takes a fused path that the counter cannot see into
    # The counter knows attention written in matrix products, but not the fused kernel of the CPU.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(clip)
    model.train(mode)
    return counter.get_total_flops() // 2
