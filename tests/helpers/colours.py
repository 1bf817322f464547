"""A classifier that needs no training, because it names colours, and videos that show them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from helpers.videos import write_video

COLOURS = {"red": (220, 20, 20), "green": (20, 220, 20), "blue": (20, 20, 220)}


class NamesColours(nn.Module):
    """Logits that grow with the mean of each colour channel: (B, T, 3, H, W) uint8 -> (B, 3)."""

    def forward(self, clips: Tensor) -> Tensor:
        return clips.float().mean((1, 3, 4)) / 20

    def probabilities(self, logits: Tensor) -> Tensor:
        return logits.softmax(-1)


def coloured(path: Path, parts: Sequence[tuple[str, int]], times: Sequence[int] | None = None) -> Path:
    """A video at 30 Hz, or at the given times in milliseconds, of so many frames of each colour in turn."""
    frames = [np.full((count, 32, 48, 3), COLOURS[name], np.uint8) for name, count in parts]
    return write_video(path, np.concatenate(frames), times=times)
