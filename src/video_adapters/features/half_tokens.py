"""Tokens in half the memory: fp16 about a mean and a scale of each channel, which are kept in fp32.

As they are, fp16 would leave features of mean 20 and spread 0.003 one value: its neighbours of 20 are 0.016 apart.
About the mean of a channel over the clip's tokens, and divided by the largest deviation from it, they err by 1/2048 of
their own deviation, and nothing can overflow.
"""

import numpy as np


def packed(tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(V, T, N, D) float32 -> the same in float16, and (V, 2, D) float32: mean of a channel and largest deviation."""
    mean = tokens.mean((1, 2), keepdims=True, dtype=np.float64).astype(np.float32)
    deviation = tokens - mean
    scale = np.abs(deviation).max((1, 2), keepdims=True)
    scale[scale == 0] = 1  # a channel that is the same everywhere
    return (deviation / scale).astype(np.float16), np.concatenate([mean, scale], 1)[:, :, 0]


def unpacked(halves: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """What was packed, up to rounding: (..., T, N, D) float16, (..., 2, D) -> (..., T, N, D) float32."""
    mean, scale = (moments[..., None, i : i + 1, :] for i in (0, 1))
    return halves * scale + mean
