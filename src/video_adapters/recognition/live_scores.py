"""Scores of a stream's windows; a frame's features are computed once, where they are the same in all of them."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from video_adapters.model.backbone import Backbone
from video_adapters.model.hardware import multiplying
from video_adapters.recognition.ring_buffer import Frame, Window

if TYPE_CHECKING:
    from video_adapters.recognition.recognizer import Recognizer


class WindowScores:
    """Probabilities of windows that follow each other, each of one clip under the middle crop, or under three.

    Where nothing below the head crosses time (`Backbone.frame_wise`), of each window only the frames that were not in
    the one before go through the backbone. Elsewhere, every window does as a whole.

    Args:
        recognizer: whose network it is.
        shared: whether to do so; False computes every window as a whole.

    Attributes:
        num_computed: how many frames went through the backbone.
    """

    def __init__(self, recognizer: "Recognizer", shared: bool = True) -> None:
        self._recognizer = recognizer
        backbone = getattr(recognizer.classifier, "backbone", None)
        self.shared = shared and isinstance(backbone, Backbone) and backbone.frame_wise
        self._features: dict[tuple[int, int], Tensor] = {}  # by part of the stream and number: (crops, D or N, D)
        self.num_computed = 0

    def __call__(self, window: Window) -> np.ndarray:
        """(C,) float32.

        Raises:
            NotFinite: they are no numbers.
        """
        if self.shared:
            return self._recognizer.probabilities(self._by_frames(window)[None], of_features=True)[0]
        self.num_computed += len(window.frames)
        clips = torch.cat([frame.crops for frame in window.frames], 1)
        return self._recognizer.probabilities(clips[None])[0]

    def _by_frames(self, window: Window) -> Tensor:
        """What the head reads of a window: (crops, T, D) or (crops, T, N, D)."""
        numbers = [(window.part, frame.number) for frame in window.frames]
        before, self._features = self._features, {}
        missing = {number: frame for number, frame in zip(numbers, window.frames, strict=True) if number not in before}
        if missing:
            before |= zip(missing, self._computed(list(missing.values())), strict=True)
        self._features = {number: before[number] for number in numbers}
        return torch.stack(list(self._features.values()), 1)

    @torch.inference_mode()
    def _computed(self, frames: list[Frame]) -> list[Tensor]:
        """Features of frames, (crops, D) or (crops, N, D) each."""
        self.num_computed += len(frames)
        crops = torch.cat([frame.crops[:, 0] for frame in frames]).to(self._recognizer.device)
        with multiplying(self._recognizer.precision, self._recognizer.device):
            features = self._recognizer.classifier.backbone.frame_features(crops)
        return list(features.unflatten(0, (len(frames), -1)).unbind(0))
