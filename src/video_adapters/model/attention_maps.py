"""Attention weights as pictures: over the patches of a frame, and between the frames of a clip."""

from typing import Any

import torch
import torch.nn.functional as F
from timm.models.swin_transformer import window_reverse
from torch import Tensor

from video_adapters.model.attention_weights import BlockAttention
from video_adapters.model.backbone import Backbone
from video_adapters.model.encoders.timm_swin import TimmSwinParts


def looked_at(backbone: Backbone, block: int, attention: BlockAttention) -> Tensor:
    """How much each patch is attended to within its frame: (T, h, w), mean 1 where nothing stands out.

    By the class token where the feature is read from it, else by all patches; mean over heads.

    Raises:
        ValueError: the block does not attend within frames.
    """
    if attention.space is None:
        raise ValueError(f"block {block} does not attend within frames by the encoder's own attention")
    weights = attention.space.mean(2)  # (T, windows, queries, keys)
    parts: Any = backbone.blocks[block].parts
    if isinstance(parts, TimmSwinParts):
        return _from_windows(weights.mean(2), parts, attention.tokens)
    encoder = backbone.encoder
    queries = weights[:, 0, : encoder.pooled] if encoder.pooled else weights[:, 0, encoder.prefix :]
    received = queries.mean(1)[:, encoder.prefix :]
    received = received / received.mean(1, keepdim=True)
    return received.unflatten(1, grid(backbone, attention))


def over_time(attention: BlockAttention) -> Tensor:
    """How much each frame (rows) takes from each frame (columns), mean over tokens and heads: (T, T).

    Raises:
        ValueError: the block does not attend over time.
    """
    return _time(attention).mean((0, 1))


def looked_at_over_time(backbone: Backbone, attention: BlockAttention) -> Tensor:
    """How much each patch is attended to from the other frames, at its own place: (T, h, w), 1 where evenly spread.

    Raises:
        ValueError: the block does not attend over time.
    """
    weights = _time(attention).mean(1)[backbone.encoder.prefix :]  # (N, T, T)
    size = weights.shape[-1]
    others = 1 - torch.eye(size, device=weights.device)
    received = (weights * others).sum(1) * size / max(size - 1, 1)  # of size - 1 frames that look, each evenly 1 / size
    return received.T.unflatten(1, grid(backbone, attention))


def grid(backbone: Backbone, attention: BlockAttention) -> tuple[int, int]:
    """Rows and columns of a frame's patches."""
    if len(attention.tokens) == 2:
        return attention.tokens[0], attention.tokens[1]
    height, width = backbone.encoder.image_size
    down, right = backbone.encoder.patches.stride
    return height // int(down), width // int(right)


def _time(attention: BlockAttention) -> Tensor:
    if attention.time is None:
        raise ValueError("the block does not attend over time by the encoder's own attention")
    return attention.time


def _from_windows(received: Tensor, parts: TimmSwinParts, tokens: tuple[int, ...]) -> Tensor:
    """Windows back to frames, what was shifted moved back: (T, windows, keys) -> (T, H, W)."""
    block = parts.block
    size = block.window_size
    padded = [-(-side // window) * window for side, window in zip(tokens, size, strict=True)]
    windows = (received * received.shape[-1]).flatten(0, 1).unflatten(1, tuple(size))[..., None]
    frames = window_reverse(windows, size, *padded)[..., 0]
    frames = frames[:, : tokens[0], : tokens[1]]
    return torch.roll(frames, tuple(block.shift_size), (1, 2))


def enlarged(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps over patches at the size of the frames, smoothly: (T, h, w) -> (T, H, W)."""
    return F.interpolate(maps[:, None].float(), size, mode="bilinear", align_corners=False)[:, 0]
