"""Two linear layers around an activation, keeping for the backward pass no more than it cannot do without."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from video_adapters.model.execution import autocast_dtype

Remake = Callable[[Tensor], Tensor]
ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]] = {
    "gelu": (F.gelu, torch.ops.aten.gelu_backward),
    "relu": (F.relu, lambda grad, x: torch.ops.aten.threshold_backward(grad, x, 0)),
}
"""Each with the gradient of its input, of that of its output and the input."""


def bottleneck(
    x: Tensor,
    down: Tensor,
    down_bias: Tensor,
    up: Tensor,
    up_bias: Tensor,
    made_from: Tensor | None = None,
    by: Remake | None = None,
    activation: str = "gelu",
) -> Tensor:
    """activation(x down^T + down_bias) up^T + up_bias: (..., D) -> (..., E).

    Keeps x and what the activation is given; autograd would keep what it returns too.

    Args:
        x: (..., D).
        down: (K, D).
        down_bias: (K,).
        up: (E, K).
        up_bias: (E,).
        made_from: a tensor that is kept anyway, from which `by` makes x again; then x is not kept either.
        by: a function without randomness.
        activation: one of ACTIVATIONS.
    """
    if torch.compiler.is_compiling():  # compilers choose by themselves what they keep
        return F.linear(ACTIVATIONS[activation][0](F.linear(x, down, down_bias)), up, up_bias)
    dtype = autocast_dtype(x)
    if dtype:
        x, down, down_bias, up, up_bias = (t.to(dtype) for t in (x, down, down_bias, up, up_bias))
    return _Bottleneck.apply(x, down, down_bias, up, up_bias, made_from, by, activation, dtype)


class _Bottleneck(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        down: Tensor,
        down_bias: Tensor,
        up: Tensor,
        up_bias: Tensor,
        made_from: Tensor | None,
        by: Remake | None,
        activation: str,
        half: torch.dtype | None,
    ) -> Tensor:
        hidden = F.linear(x, down, down_bias)
        ctx.save_for_backward(x if made_from is None else made_from, hidden, down, up)
        ctx.by, ctx.activation, ctx.half = by, activation, half
        return F.linear(ACTIVATIONS[activation][0](hidden), up, up_bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, hidden, down, up = ctx.saved_tensors
        if ctx.by is not None:
            # AMP is off in a backward pass, and without it a card's norms refuse half-precision x
            with nullcontext() if ctx.half is None else torch.autocast(x.device.type, ctx.half, cache_enabled=False):
                x = ctx.by(x).to(hidden.dtype)
        x, hidden_rows, grad = x.flatten(0, -2), hidden.flatten(0, -2), grad.flatten(0, -2)
        activate, differentiate = ACTIVATIONS[ctx.activation]
        grad_up = grad.T @ activate(hidden_rows)
        grad_hidden = differentiate(grad @ up, hidden_rows)
        grad_x = (grad_hidden @ down).unflatten(0, hidden.shape[:-1]) if ctx.needs_input_grad[0] else None
        return grad_x, grad_hidden.T @ x, grad_hidden.sum(0), grad_up, grad.sum(0), *[None] * 4
