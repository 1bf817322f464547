"""Activations that keep one tensor for the backward pass."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

SLOPE = 1.702  # of Hendrycks and Gimpel's approximation of GELU (2016), which OpenAI's CLIP was trained with


class QuickGelu(nn.Module):
    """x * sigmoid(1.702 x) as silu(1.702 x) / 1.702, equal up to rounding; keeps its input alone, any shape.

    Written the first way, autograd keeps the sigmoid beside the input.
    """

    def forward(self, x: Tensor) -> Tensor:
        if torch.compiler.is_compiling():  # compilers choose by themselves what they keep
            return F.silu(SLOPE * x) / SLOPE
        return _QuickGelu.apply(x)


class _QuickGelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return F.silu(SLOPE * x, inplace=True).mul_(1 / SLOPE)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return torch.ops.aten.silu_backward(grad, SLOPE * x)  # the two slopes of the chain rule cancel
