"""The linear layers of a pretrained block, into which linear maps ahead of them and behind them can be folded."""

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Affine(NamedTuple):
    """y = g (W x + b): which parameters these are."""

    owner: nn.Module
    weight: str  # the owner's name of W (out, in)
    bias: str | None = None  # of b (out,); None: there is none that a shift could be folded into
    scale: nn.Parameter | None = None  # g (out,), the block's layer scale behind it; None: there is none

    @torch.no_grad()
    def fold_before(self, matrix: Tensor, shift: Tensor | None) -> None:
        """Takes in x -> A x + c ahead of it, in place: W <- W A, b <- W c + b. A (in, in), c (in,) or None: 0."""
        weight = getattr(self.owner, self.weight)
        wide = weight.double()  # products are rounded once, to the weights' own precision
        if shift is not None:
            self._bias.add_(wide @ shift.double())
        weight.copy_(wide @ matrix.double())

    @torch.no_grad()
    def fold_after(self, matrix: Tensor, shift: Tensor | None) -> None:
        """Takes in y -> A y + c behind it, in place:
        W <- A diag(g) W, b <- A (g b) + c, g <- 1. A (out, out), c (out,).

        The layer scale is not divided by, which may be near zero.
        """
        weight, matrix = getattr(self.owner, self.weight), matrix.double()
        if self.scale is not None:
            matrix = matrix * self.scale.double()
            self.scale.fill_(1)
        if self.bias is not None:
            self._bias.copy_(matrix @ self._bias.double())
        if shift is not None:
            self._bias.add_(shift)
        weight.copy_(matrix @ weight.double())

    @property
    def _bias(self) -> Tensor:
        assert self.bias is not None, "a map with a shift stands next to a layer that has no bias to fold it into"
        bias: Tensor = getattr(self.owner, self.bias)
        return bias


class Linears(NamedTuple):
    """The linear layers of a block, by what enters or leaves them."""

    attention_in: list[Affine]  # of the output of norm1: one for queries, keys and values, or one for each
    attention_out: Affine  # ahead of the first residual sum
    mlp_in: list[Affine]  # of the output of norm2
    mlp_out: Affine  # ahead of the second residual sum


def affine(layer: nn.Linear, scale: nn.Parameter | None = None) -> Affine:
    """A linear layer and the layer scale behind it."""
    return Affine(layer, "weight", None if layer.bias is None else "bias", scale)
