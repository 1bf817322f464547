"""Costs of a model: parameters, and multiply-accumulates of one view."""

from copy import deepcopy
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from video_adapters.model.adapters.adapted_block import running
from video_adapters.model.classifier import VideoClassifier


class Cost(NamedTuple):
    """Counts of one model for one view."""

    params: int  # all of them, the classifier included
    trainable: int  # what the method trains, and the head
    macs: int  # of convolutions, linears, QK^T and AV, as published; the papers' "GFLOPs" are these, times views
    macs_run: int  # the same of what training computes: without dead work, linear layers in a row taken for one
    folded: int = 0  # of the parameters, how many an export folds into the encoder's matrices


def count(model: VideoClassifier) -> Cost:
    """Counts a model, which may stand on the meta device: nothing is computed there.

    As published are all products that the paper writes, of the network that is deployed: adapters which can be folded
    into the encoder's matrices cost nothing there.
    """
    params = sum(p.numel() for p in model.parameters())
    trainable = sum(p.numel() for p in model.trainable().values())
    deployed = deepcopy(model)
    folded = deployed.backbone.merge()
    with running(deployed.backbone.blocks, skip_dead_work=False, fuse=False):
        return Cost(params, trainable, _macs(deployed), _macs(model), folded)


@torch.no_grad()
def _macs(model: VideoClassifier) -> int:
    clip = _batch(model, 1, next(model.parameters()).device)
    # The counter knows attention written in matrix products, but not the fused kernel of the CPU.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(clip)
    return counter.get_total_flops() // 2


def training_flops(model: VideoClassifier, clips: int) -> int:
    """Floating-point operations of `clips` clips forward and back: two for each multiply-accumulate of the products.

    Back, every product gives the gradient of its input, those of attention of both, and only layers that train that of
    their weight; below the first of these there is none. A model that recomputes is counted with what it recomputes. It
    may stand on the meta device, where no anomaly can be detected: there are no values.
    """
    device = next(model.parameters()).device
    batch = _batch(model, clips, device)
    with (
        torch.autograd.set_detect_anomaly(False),
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
    ):
        model(batch).sum().backward()
    model.zero_grad()
    return counter.get_total_flops()


def _batch(model: VideoClassifier, clips: int, device: torch.device) -> Tensor:
    backbone = model.backbone
    shape = (clips, backbone.num_frames, 3, *backbone.encoder.image_size)
    return torch.zeros(shape, dtype=torch.uint8, device=device)
