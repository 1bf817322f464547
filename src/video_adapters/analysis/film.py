"""Clips drawn as strips of film, and what a model looks at drawn on them."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from torch import Tensor

from video_adapters.analysis.style import SHADES

GAP = 1 / 20
"""Between frames, as a share of their width."""

OPACITY = 0.85
"""Of a map where it is highest."""


def strip(clip: Tensor) -> np.ndarray:
    """Frames side by side on white: (T, 3, H, W) uint8 -> (H, W', 3)."""
    frames = clip.permute(0, 2, 3, 1).cpu().numpy()
    gap = np.full((frames.shape[1], max(1, round(frames.shape[2] * GAP)), 3), 255, np.uint8)
    parts = [part for frame in frames for part in (frame, gap)]
    return np.concatenate(parts[:-1], axis=1)


def draw_strip(axes: Axes, clip: Tensor, note: str = "") -> None:
    """A clip as one row of frames, with a note beneath: (T, 3, H, W) uint8."""
    axes.imshow(strip(clip), interpolation="nearest")
    axes.set_axis_off()
    if note:
        axes.set_title(note, loc="left", fontsize=9)


def draw_maps(rows: Sequence[Axes], clip: Tensor, maps: Tensor, highest: float) -> None:
    """A map over each frame, which shines through where the map is low: axes (T,), (T, 3, H, W) uint8, (T, H, W)."""
    for axes, frame, shade in zip(rows, clip.permute(0, 2, 3, 1).cpu().numpy(), maps.cpu().numpy(), strict=True):
        axes.imshow(frame.mean(-1), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.imshow(shade, cmap=SHADES, vmin=0, vmax=highest, alpha=np.clip(shade / highest, 0, 1) * OPACITY)
        axes.set_axis_off()
