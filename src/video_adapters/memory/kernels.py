"""Fused attention kernels by card, and the workspace that kernels need beside their results."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from video_adapters.memory.allocator import round_up

aten = torch.ops.aten
HALF = (torch.float16, torch.bfloat16)


def attend_as(capability: tuple[int, int]) -> Callable[..., Tensor]:
    """`scaled_dot_product_attention` as a card of this compute capability runs it (ATen's sdp_utils.cpp): for half
    precision without a mask the flash kernel from 8.0 on, cuDNN's on Hopper; else the memory-efficient one; plain
    operators for heads that this one cannot read."""

    def attend(
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        *,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        kernel = choose(capability, query.dtype, query.shape[-1], attn_mask is not None)
        saved = torch.is_grad_enabled() and any(x.requires_grad for x in (query, key, value))
        qkv, how = (query, key, value), (dropout_p, is_causal)
        if kernel == "cudnn":
            return aten._scaled_dot_product_cudnn_attention(*qkv, None, saved, *how, scale=scale)[0]
        if kernel == "flash":
            return aten._scaled_dot_product_flash_attention(*qkv, *how, scale=scale)[0]
        if kernel == "math":
            return aten._scaled_dot_product_attention_math(*qkv, attn_mask, *how, scale=scale)[0]
        mask = None if attn_mask is None else _readable(attn_mask, query, key)
        if mask is not None and mask.requires_grad and torch.is_grad_enabled() and not saved:
            raise RuntimeError("on a card, a mask gets its gradient only where queries, keys or values get theirs too")
        return aten._scaled_dot_product_efficient_attention(*qkv, mask, saved, *how, scale=scale)[0]

    return attend


def choose(capability: tuple[int, int], dtype: torch.dtype, head_width: int, masked: bool) -> str:
    """The kernel for one attention: cudnn, flash, efficient or math."""
    half = dtype in HALF
    if (9, 0) <= capability < (11, 0) and half and not masked and head_width <= 128 and head_width % 8 == 0:
        return "cudnn"  # seen on an H200 with torch 2.11
    if capability >= (8, 0) and half and not masked and head_width <= 256 and head_width % 8 == 0:
        return "flash"
    # tensor cores read 16 bytes at a time: of half precision from 7.0 on, of fp32 from 8.0 on
    tensor_cores = capability >= ((7, 0) if half else (8, 0))
    aligned = not tensor_cores or head_width % (8 if half else 4) == 0
    return "efficient" if aligned else "math"


def _readable(mask: Tensor, query: Tensor, key: Tensor) -> Tensor:
    """The mask as the memory-efficient kernel reads it: rows padded to multiples of 16, one for every head."""
    if mask.dtype is torch.bool:
        mask = torch.zeros_like(mask, dtype=query.dtype).masked_fill_(mask.logical_not(), float("-inf"))
    columns = mask.shape[-1]
    if columns % 16:
        mask = F.pad(mask, (0, -columns % 16))[..., :columns]
    return mask.expand(*query.shape[:2], query.shape[2], key.shape[2])


def workspace(func: Any, args: tuple[Any, ...]) -> list[int]:
    """Bytes of what an attention kernel allocates for its own use, and frees when it is done.

    The memory-efficient backward pass sums the gradient of the queries in fp32, in tiles of 64 x 64 with a head of 16
    bytes, and keeps one fp32 number per query (mem_eff_attention/kernel_backward.h, attention_backward.cu). Flash
    attention does the same in rows rounded to 128 (flash_attn/flash_api.cpp), cuDNN's in rows as they are.
    """
    if func not in _BACKWARD:
        return []
    query = args[1]
    heads, (length, width) = query.shape[0] * query.shape[1], query.shape[2:]
    if func is aten._scaled_dot_product_cudnn_attention_backward.default:
        return [4 * query.numel(), 4 * heads * length]
    if func is aten._scaled_dot_product_flash_attention_backward.default:
        rows = heads * round_up(length, 128)
        return [4 * rows * round_up(width, 32), 4 * rows]
    tile = 64 * 64 * 4 + 16
    return [4 * heads * length, heads * -(-length // 64) * -(-width // 64) * tile]


_BACKWARD = (
    aten._scaled_dot_product_efficient_attention_backward.default,
    aten._scaled_dot_product_flash_attention_backward.default,
    aten._scaled_dot_product_cudnn_attention_backward.default,
)


def cublas_workspaces(capability: tuple[int, int]) -> list[int]:
    """Bytes that matrix products keep for good: one piece for each of the threads of forward and backward pass.

    (at::cuda::getChosenWorkspaceSize: 4096 KiB x 2 and 16 KiB x 8, from 9.0 on 4096 KiB x 8.)
    """
    kib = 4096 * 8 if capability >= (9, 0) else 4096 * 2 + 16 * 8
    return [kib * 1024] * 2
