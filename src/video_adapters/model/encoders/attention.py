"""Attention without needless copies: heads stay a dimension of their own, and no token moves for a step over time."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

Mix = Callable[[Tensor], Tensor]
"""What is done to keys and to values before they are attended to: (M, N, heads, d) -> same shape."""


class Unprojected(NamedTuple):
    """Output of an attention ahead of its last linear layer: two linear layers in a row can be taken for one."""

    mixed: Tensor  # (..., D): the heads' values, side by side
    weight: Tensor | None = None  # of the last linear layer; None: `mixed` is the output
    bias: Tensor | None = None
    scale: Tensor | None = None  # the block's layer scale (D,)

    def project(self) -> Tensor:
        """The attention's output: (..., D)."""
        if self.weight is None:
            return self.mixed
        y = F.linear(self.mixed, self.weight, self.bias)
        return y if self.scale is None else y * self.scale

    def into(self, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The one linear layer from `mixed` that does what the last layer and then this one (K, D) do: (K, D), (K,)."""
        assert self.weight is not None
        scaled = weight if self.scale is None else weight * self.scale
        if self.bias is not None:
            bias = scaled @ self.bias if bias is None else bias + scaled @ self.bias
        return scaled @ self.weight, bias


class Heads(NamedTuple):
    """What each head asks of every token, and what each token offers it."""

    q: Tensor  # (M, N, heads, d); where the first tokens alone are to be answered, (M, keep, heads, d)
    k: Tensor  # (M, N, heads, d)
    v: Tensor

    def mixed(self, mix: Mix | None) -> "Heads":
        """The same with keys and values mixed."""
        return self if mix is None else self._replace(k=mix(self.k), v=mix(self.v))


def split(x: Tensor, weight: Tensor, bias: Tensor | None, num_heads: int, keep: int | None = None) -> Heads:
    """Queries of the first `keep` tokens, keys and values, by one layer's weights for all: (M, N, D) -> 3 of these."""
    biases = (None, None, None) if bias is None else bias.chunk(3)
    return split_by(x, tuple(zip(weight.chunk(3), biases, strict=True)), num_heads, keep)


def split_by(
    x: Tensor, layers: Sequence[tuple[Tensor, Tensor | None]], num_heads: int, keep: int | None = None
) -> Heads:
    """The same by the weights and the bias of a layer for each: (M, N, D) -> 3 of (M, N, heads, d).

    Three products, not one: a tensor for each lets `over_time` take places and heads for one dimension as they lie.
    """
    inputs = (x if keep is None else x[:, :keep].contiguous(), x, x)
    each = zip(inputs, layers, strict=True)
    return Heads(*(F.linear(given, *layer).unflatten(-1, (num_heads, -1)) for given, layer in each))


def within_frames(heads: Heads, dropout: float = 0.0) -> Tensor:
    """Each frame by itself: (M, N, heads, d) -> (M, N, heads * d)."""
    q, k, v = (part.transpose(1, 2) for part in heads)
    return F.scaled_dot_product_attention(q, k, v, dropout_p=dropout).transpose(1, 2).flatten(2)


def over_time(heads: Heads, num_times: int, bias: Tensor | None = None, dropout: float = 0.0) -> Tensor:
    """Each place by itself, through the T frames of its clip: (B*T, N, heads, d) -> (B*T, N, heads * d).

    Every place has heads of its own: N * heads of them in a batch of B clips. So nothing is copied, and no batch
    reaches the 65 536 rows at which CUDA's kernels end.

    Args:
        heads: of frames, the T of a clip adjacent.
        num_times: T.
        bias: added to the scores of every place, (heads, T, T).
        dropout: rate at which an attention is forgotten.
    """
    q, k, v = (part.unflatten(0, (-1, num_times)).flatten(2, 3).transpose(1, 2) for part in heads)
    mask = None if bias is None else bias.to(q.dtype).repeat(heads.q.shape[1], 1, 1)
    if mask is not None and mask.requires_grad and not q.requires_grad:
        q = q + 0 * mask[0, 0, 0]  # on a card, the mask gets its gradient only where queries, keys or values get theirs
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
    return y.transpose(1, 2).reshape(heads.q.shape).flatten(2)
