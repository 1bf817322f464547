"""Attention weights of a forward pass, whatever encoder family runs it.

Fused kernels return no weights. A torch function mode sees every call of theirs with its queries and keys, from which
the weights are computed once more; where attention is written out (timm's Swin), its softmax gives them. The model
itself runs as it always does.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from video_adapters.model.backbone import Backbone
from video_adapters.model.encoders.encoder import Parts

_SOFTMAX = (F.softmax, torch.softmax, Tensor.softmax)


class BlockAttention(NamedTuple):
    """Weights of one block for one clip, each row summing to 1; None where the block does not attend so."""

    space: Tensor | None  # (T, windows, heads, queries, keys): within frames; in a ViT a frame is one window
    time: Tensor | None  # (N, heads, T, T): over time, at each token's place
    tokens: tuple[int, ...]  # of a frame: (N,) or, in a Swin, (H, W)


class Weights(TorchFunctionMode):
    """Keeps the weights of every attention computed under it, in order: each (rows, heads, queries, keys)."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Tensor] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            self.found.append(weights(*args, **kwargs))
        if func is F.multi_head_attention_forward:  # nn.MultiheadAttention, which can give them itself
            both: Any = func(*args, **{**kwargs, "need_weights": True, "average_attn_weights": False})
            self.found.append(both[1])
            return both[0], None
        answer = func(*args, **kwargs)
        if func in _SOFTMAX and answer.dim() == 4:
            self.found.append(answer)
        return answer


def weights(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(Q K^T * scale + mask), as `scaled_dot_product_attention` has it, without dropout: (..., queries, keys).

    Raises:
        ValueError: for causal attention and grouped queries, which no encoder here has.
    """
    if is_causal or enable_gqa:
        raise ValueError("attention is causal or in groups: no encoder of this project was known to do that")
    scores = query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, -math.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask
    return scores.softmax(-1)


@torch.inference_mode()
def attention(backbone: Backbone, clip: Tensor) -> list[BlockAttention]:
    """What each block attends to in a clip, (T, 3, H, W) uint8 -> one entry per block."""
    with Weights() as mode, _marked(backbone, mode) as marks:
        backbone.features(clip[None].to(backbone.mean.device))
    return [_block(marks[i], backbone.num_times) for i in range(len(backbone.blocks))]


class _Marks:
    """What was found in one block."""

    def __init__(self) -> None:
        self.space: list[Tensor] = []
        self.time: list[Tensor] = []
        self.tokens: tuple[int, ...] = ()
        self.heads = 1


@contextmanager
def _marked(backbone: Backbone, mode: Weights) -> Iterator[list[_Marks]]:
    """Has every block note which attention was asked of its parts: that within frames or that over time.

    Shapes do not tell: a frame may have as many tokens as a clip has frames. So, as long as this lasts, `attend` and
    `attend_time` of the parts (of these objects, not their classes) sort what the mode has found.
    """
    marks = [_Marks() for _ in backbone.blocks]
    undo: list[Callable[[], Any]] = []
    for block, mark in zip(backbone.blocks, marks, strict=True):
        undo.append(block.register_forward_pre_hook(_note_tokens(mark)).remove)
        for parts in (module for module in block.modules() if isinstance(module, Parts)):
            mark.heads = parts.num_heads
            for name, place in (("attend", mark.space), ("attend_time", mark.time)):
                setattr(parts, name, _sorting(getattr(parts, name), mode, place))
                undo.append(partial(delattr, parts, name))
    try:
        yield marks
    finally:
        for back in undo:
            back()


def _note_tokens(mark: _Marks) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    def hook(block: nn.Module, args: tuple[Tensor, ...]) -> None:
        mark.tokens = tuple(args[0].shape[1:-1])

    return hook


def _sorting(method: Callable[..., Any], mode: Weights, place: list[Tensor]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        before = len(mode.found)
        answer = method(*args, **kwargs)
        place.extend(mode.found[before:])
        return answer

    return call


def _block(mark: _Marks, num_times: int) -> BlockAttention:
    """Weights with an axis of their own for what shares the rows: frames and windows, or places and heads."""
    space = time = None
    if mark.space:
        (found,) = mark.space
        space = found.reshape(num_times, -1, mark.heads, *found.shape[-2:])
    if mark.time:  # rows may be places, or places times heads: both run over places first
        found = torch.cat([part.flatten(0, 1) for part in mark.time])
        time = found.reshape(-1, mark.heads, num_times, num_times)
    return BlockAttention(space, time, mark.tokens)
