"""What a model costs: parameters, and multiply-accumulates of one view."""

from typing import Any, NamedTuple

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from video_adapters.model.classifier import VideoClassifier


class Cost(NamedTuple):
    """Counts of one model for one view."""

    params: int  # all of them, the classifier included
    trainable: int  # what the method trains, and the head
    macs: int  # of convolutions, linears, QK^T and AV, as published; the papers' "GFLOPs" are these, times views
    macs_run: int  # the same of what is computed here, where the last block leaves dead work out


def count(model: VideoClassifier) -> Cost:
    """Counts a model, which may stand on the meta device: nothing is computed there."""
    params = sum(p.numel() for p in model.parameters())
    trainable = sum(p.numel() for p in model.trainable().values())
    last: Any = model.backbone.blocks[-1]
    run, keep = _macs(model), last.keep
    last.keep = None
    published = run if keep is None else _macs(model)
    last.keep = keep
    return Cost(params, trainable, published, run)


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
