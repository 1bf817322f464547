"""The training loss, of one class per video or of several, and what it sets against unequal numbers of videos."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

BALANCED = "balanced"
RAREST = 1e-6  # share of the videos that a class is taken to have at least, and to lack: its log odds are finite


@dataclass(frozen=True, kw_only=True)
class LossSettings:
    """The keys of `loss`.

    Raises:
        ValueError: for numbers out of their range.
    """

    label_smoothing: float = 0.0  # share of a target that goes to all classes alike; with several labels, towards 1/2
    class_weights: str | Sequence[float] | None = None  # a factor for each class's videos, or "balanced"; None: all 1
    logit_adjustment: float = 0.0  # tau of Menon et al. 2021; 0: none

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"loss.label_smoothing is {self.label_smoothing}, expected a share from 0 to below 1")
        if not 0 <= self.logit_adjustment < math.inf:
            raise ValueError(f"loss.logit_adjustment is {self.logit_adjustment}, expected a number of at least 0")
        weights = self.class_weights
        numbers = isinstance(weights, Sequence) and all(isinstance(weight, int | float) for weight in weights)
        if weights is not None and weights != BALANCED and (isinstance(weights, str) or not numbers):
            raise ValueError(f"loss.class_weights is {weights}, expected null, {BALANCED} or a number for each class")

    def given_weights(self, num_classes: int) -> Tensor | None:
        """The weights that are numbers: (C,); None for others.

        Raises:
            ValueError: they are not one for each class.
        """
        weights = self.class_weights
        if weights is None or isinstance(weights, str):
            return None
        if len(weights) != num_classes or not all(0 <= weight < math.inf for weight in weights):
            raise ValueError(
                f"loss.class_weights has {len(weights)} numbers, from {min(weights, default=0)} to "
                f"{max(weights, default=0)}, expected {num_classes} of at least 0, one for each class"
            )
        return torch.tensor(weights, dtype=torch.float32)


class OneLabelLoss(nn.Module):
    """Cross-entropy of each clip: logits (B, C), labels (B,) -> (B,).

    A clip's loss is weighed by its class. Balanced weights are N / (C n_c) over the C classes that occur, and 1 in the
    mean over the N videos. Logits are adjusted by tau log(n_c / N) here and nowhere else, so that those that scores are
    made of are for classes that are equally frequent (Menon et al. 2021, eq. 10). Without counts nothing is balanced
    or adjusted.
    """

    weights: Tensor | None  # (C,)
    adjustment: Tensor  # (C,)

    def __init__(self, settings: LossSettings, num_classes: int, counts: np.ndarray | None = None) -> None:
        super().__init__()
        weights, adjustment = settings.given_weights(num_classes), torch.zeros(num_classes)
        if counts is not None:
            videos = torch.from_numpy(counts).double()
            adjustment = (videos / videos.sum()).clamp_min(RAREST).log().float() * settings.logit_adjustment
            if settings.class_weights == BALANCED:
                weights = torch.where(videos > 0, videos.sum() / ((videos > 0).sum() * videos.clamp_min(1)), 0).float()
        self.label_smoothing = settings.label_smoothing
        self.register_buffer("weights", weights, persistent=False)
        self.register_buffer("adjustment", adjustment, persistent=False)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        adjusted = logits + self.adjustment
        return F.cross_entropy(adjusted, labels, self.weights, reduction="none", label_smoothing=self.label_smoothing)


class SeveralLabelsLoss(nn.Module):
    """Binary cross-entropy of each clip, its mean over the classes: logits (B, C), labels (B,) -> (B,).

    Labels are rows of `label_sets`. Weights are those of positives; balanced ones are negatives / positives of each
    class, and 1 where either is none. Logits are adjusted by tau log(n_c / (N - n_c)), as above. Without counts
    nothing is balanced or adjusted.
    """

    label_sets: Tensor  # (K, C) bool
    weights: Tensor | None  # (C,)
    adjustment: Tensor  # (C,)

    def __init__(
        self, settings: LossSettings, label_sets: np.ndarray, counts: np.ndarray | None = None, num_videos: int = 0
    ) -> None:
        super().__init__()
        num_classes = label_sets.shape[1]
        weights, adjustment = settings.given_weights(num_classes), torch.zeros(num_classes)
        if counts is not None:
            positives = torch.from_numpy(counts).double()
            adjustment = (positives / num_videos).logit(RAREST).float() * settings.logit_adjustment
            if settings.class_weights == BALANCED:
                some = (positives > 0) & (positives < num_videos)
                weights = torch.where(some, (num_videos - positives) / positives.clamp_min(1), 1).float()
        self.label_smoothing = settings.label_smoothing
        self.register_buffer("label_sets", torch.from_numpy(label_sets), persistent=False)
        self.register_buffer("weights", weights, persistent=False)
        self.register_buffer("adjustment", adjustment, persistent=False)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        targets = self.label_sets[labels].float() * (1 - self.label_smoothing) + self.label_smoothing / 2
        losses = F.binary_cross_entropy_with_logits(
            logits + self.adjustment, targets, pos_weight=self.weights, reduction="none"
        )
        return losses.mean(1)


def build_loss(
    settings: LossSettings, num_classes: int, label_sets: np.ndarray | None = None, labels: np.ndarray | None = None
) -> OneLabelLoss | SeveralLabelsLoss:
    """The loss of one class per video or, with `label_sets`, of several.

    `labels` (N,) are those of the training videos; None where nothing is trained.
    """
    counts = None if labels is None else class_counts(labels, num_classes, label_sets)
    if label_sets is None:
        return OneLabelLoss(settings, num_classes, counts)
    return SeveralLabelsLoss(settings, label_sets, counts, 0 if labels is None else len(labels))


def class_counts(labels: np.ndarray, num_classes: int, label_sets: np.ndarray | None = None) -> np.ndarray:
    """How many videos show each class: labels (N,), sets (K, C) -> (C,) int."""
    if label_sets is None:
        return np.bincount(labels, minlength=num_classes)
    return np.bincount(labels, minlength=len(label_sets)) @ label_sets.astype(int)
