"""How far rounding alone takes apart two ways of computing the same."""

import torch
from torch import Tensor

BLOCK = 64
"""Depth of a transformer block of toy width: eight sums one behind another (norm, queries and keys, their product, the
mixture of values, the output; norm, the MLP's two layers) of some 64 terms, sqrt(64) each. Backward: as many again."""


def rounding(depth: float, scale: float = 1.0, dtype: torch.dtype = torch.float32) -> float:
    """The largest absolute difference that rounding explains: depth * eps * scale.

    An operation rounds by at most eps / 2 of its result and hands on what it was given, so that `depth` of them one
    behind another are off by at most depth * eps / 2 of `scale`, the largest number on the way (Higham, Accuracy and
    Stability of Numerical Algorithms, 2nd ed., lemma 3.1, to first order); two ways, each off to its own side, differ
    by twice that. The n roundings of a sum have either sign and count as sqrt(n) (Higham and Mary, SIAM J. Sci.
    Comput. 41, 2019); a sum that is rounded once, after a wider accumulator, counts as 1.
    """
    return depth * torch.finfo(dtype).eps * scale


def assert_rounded(ours: Tensor, expected: Tensor, depth: float, dtype: torch.dtype | None = None) -> None:
    """Both are the same but for rounding in `dtype`, their own if none is given, at the scale of what is expected."""
    atol = rounding(depth, expected.abs().max().item(), dtype or expected.dtype)
    torch.testing.assert_close(ours, expected, atol=atol, rtol=0)
