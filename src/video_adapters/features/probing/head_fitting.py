"""Statistics and solutions, written into the heads of a classifier."""

from typing import Any

import torch
from torch import Tensor, nn

from video_adapters.features.probing.ridge import Ridge
from video_adapters.features.probing.scaling import scaling_of
from video_adapters.features.probing.side_by_side import AT_ONCE
from video_adapters.model.heads.running_norm import RunningNorm


@torch.no_grad()
def set_statistics(head: nn.Module, features: Tensor) -> None:
    """Gives a head's running norm the statistics of what enters it, as after many steps: features (N, T, D)."""
    for norm in (module for module in head.modules() if isinstance(module, RunningNorm)):
        entering: list[Tensor] = []
        with norm.register_forward_pre_hook(lambda _, inputs, into=entering: into.append(inputs[0])):
            for part in features.split(AT_ONCE):
                head(part)
        scaling = scaling_of(torch.cat(entering).flatten(0, -2))
        norm.mean.copy_(scaling.mean)
        norm.var.copy_(scaling.spread.square())
        norm.steps.fill_(round(1 / norm.momentum))


@torch.no_grad()
def write_solution(ridge: Ridge, penalty: float, head: Any) -> None:
    """Makes a linear head compute a solution, behind its norm, whose statistics are those of the same features.

    The norm adds an epsilon and keeps float32; the linear layer makes up for it.
    """
    (mean, _, rate), weight = ridge.scaling, ridge.weight(penalty)
    norm, linear = head.standardise, head.linear
    applied = (norm.var.double() + norm.epsilon).rsqrt()
    linear.weight.copy_((weight * (rate / applied)[:, None]).T)
    linear.bias.copy_(ridge.bias + ((norm.mean.double() - mean) * rate) @ weight)


@torch.no_grad()
def divide_scores(head: Any, temperature: float) -> None:
    """Divides what a head's last layer says by a temperature."""
    head.linear.weight.div_(temperature)
    head.linear.bias.div_(temperature)
