"""Attention weights of a forward pass, whatever encoder family runs it.

Fused kernels return no weights. A torch function mode sees every call of theirs with its queries and keys, from which
the weights are computed once more; where attention is written out (timm's Swin), its softmax gives them. The model
itself runs as it always does.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from video_adapters.model.backbone import Backbone
from video_adapters.model.encoders.encoder import Parts

_SOFTMAX = (F.softmax, torch.softmax, Tensor.softmax)


class BlockAttention(NamedTuple):
    """Weights of one block for one clip, each row summing to 1; None where the block does not attend so.

    ZeroI2V's first heads attend within a frame to the keys of another one: theirs are places of that frame.
    """

    space: Tensor | None  # (T, windows, heads, queries, keys): within frames; in a ViT a frame is one window
    time: Tensor | None  # (N, heads, T, T): over time, token by token
    tokens: tuple[int, ...]  # of a frame: (N,) or, in a Swin, (H, W)


class Weights(TorchFunctionMode):
    """Keeps the weights of every attention computed under it, in order: each (rows, heads, queries, keys)."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Tensor] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            self.kept.append(weights(*args, **kwargs))
        if func is F.multi_head_attention_forward:  # nn.MultiheadAttention, which can give them itself
            both: Any = func(*args, **{**kwargs, "need_weights": True, "average_attn_weights": False})
            self.kept.append(both[1])
            return both[0], None
        result = func(*args, **kwargs)
        if func in _SOFTMAX and result.dim() == 4:
            self.kept.append(result)
        return result


def weights(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, *rest: Any, **kwargs: Any
) -> Tensor:
    """Those of `scaled_dot_product_attention`, by what it runs where nothing is fused: (..., queries, keys)."""
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        attn_mask = torch.zeros_like(attn_mask, dtype=query.dtype).masked_fill(~attn_mask, -torch.inf)
    return torch.ops.aten._scaled_dot_product_attention_math(query, key, value, attn_mask, *rest, **kwargs)[1]


@torch.inference_mode()
def attention(backbone: Backbone, clip: Tensor) -> list[BlockAttention]:
    """What each block attends to in a clip, (T, 3, H, W) uint8 -> one entry per block."""
    with Weights() as mode, ExitStack() as undo:
        notes = [_noting(block, mode, undo) for block in backbone.blocks]
        backbone.features(clip[None].to(backbone.mean.device))
    return [_split(note, backbone.num_times) for note in notes]


@dataclass
class _Note:
    """Attention of one block, as it is computed."""

    space: list[Tensor] = field(default_factory=list)
    time: list[Tensor] = field(default_factory=list)
    tokens: tuple[int, ...] = ()
    heads: int = 1


def _noting(block: nn.Module, mode: Weights, undo: ExitStack) -> _Note:
    """Has a block note which attention its parts compute: that within frames or that over time.

    Shapes do not tell: a frame may have as many tokens as a clip has frames. So, until undone, `attend` and
    `attend_time` of the parts (of these objects, not their classes) sort what the mode keeps.
    """
    note = _Note()

    def enter(block: nn.Module, args: tuple[Tensor, ...]) -> None:
        note.tokens = tuple(args[0].shape[1:-1])

    undo.enter_context(block.register_forward_pre_hook(enter))
    for parts in (module for module in block.modules() if isinstance(module, Parts)):
        note.heads = parts.num_heads
        for name, kept in (("attend", note.space), ("attend_time", note.time)):
            setattr(parts, name, _sorting(getattr(parts, name), mode, kept))
            undo.callback(delattr, parts, name)
    return note


def _sorting(method: Callable[..., Any], mode: Weights, kept: list[Tensor]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        before = len(mode.kept)
        result = method(*args, **kwargs)
        kept.extend(mode.kept[before:])
        return result

    return call


def _split(note: _Note, num_times: int) -> BlockAttention:
    """Weights with an axis of their own for what shares the rows: frames and windows, or tokens and heads."""
    space = time = None
    if note.space:
        (rows,) = note.space
        space = rows.reshape(num_times, -1, note.heads, *rows.shape[-2:])
    if note.time:  # rows may be tokens, or tokens times heads: both run over tokens first
        rows = torch.cat([part.flatten(0, 1) for part in note.time])
        time = rows.reshape(-1, note.heads, num_times, num_times)
    return BlockAttention(space, time, note.tokens)
