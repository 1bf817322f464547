"""What a model costs: parameters, and multiply-accumulates of one view."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
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
    macs = _macs(model)
    return Cost(params, trainable, macs.whole, macs.whole - macs.dead)


class _Macs(NamedTuple):
    whole: int  # every token of every block
    dead: int  # of these, what the last block leaves out


@torch.no_grad()
def _macs(model: VideoClassifier) -> _Macs:
    backbone = model.backbone
    device = next(model.parameters()).device
    clip = torch.zeros(1, backbone.num_frames, 3, *backbone.encoder.image_size, dtype=torch.uint8, device=device)
    last: Any = backbone.blocks[-1]
    given: list[Tensor] = []
    hook = last.register_forward_pre_hook(lambda block, args: given.append(args[0]))
    keep, last.keep = last.keep, None
    whole = _counted(model, clip)
    hook.remove()
    complete = _counted(last, given[0])
    last.keep = keep
    dead = complete - _counted(last, given[0])
    return _Macs(whole, dead)


def _counted(module: nn.Module, given: Tensor) -> int:
    # The counter knows attention written in matrix products, but not the fused kernel of the CPU.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        module(given)
    return counter.get_total_flops() // 2
