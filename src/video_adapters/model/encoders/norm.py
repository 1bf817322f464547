"""Layer norms of a residual stream that is kept in half precision."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def normed(norm: nn.Module, x: Tensor, in_half: bool) -> Tensor:
    """A layer norm: (..., D) -> (..., D). `in_half`: of a half-precision x, in its precision.

    AMP would turn x to fp32 on a GPU and keep that for the backward pass; the kernel sums in fp32 by itself.
    """
    if not in_half or not isinstance(norm, nn.LayerNorm) or x.dtype == torch.float32:
        return norm(x)
    weight, bias = (None if p is None else p.to(x.dtype) for p in (norm.weight, norm.bias))
    with torch.autocast(x.device.type, enabled=False):
        return F.layer_norm(x, norm.normalized_shape, weight, bias, norm.eps)
