"""Scores of a split by exact counts, so that any number of processes gives the same figures."""

import torch
from torch import Tensor
from torchmetrics import Metric

from video_adapters.commands.intervals import wilson


class Scores(Metric):
    """Top-1, top-5 and mean-class accuracy, and mean loss, over videos.

    Mean-class accuracy is the mean recall of the classes that occur. A video that could not be read counts as wrong,
    and so does one whose scores are not finite.
    """

    full_state_update = False
    videos: Tensor
    correct: Tensor
    correct5: Tensor
    unreadable: Tensor
    not_finite: Tensor
    loss: Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        per_class = torch.zeros(num_classes, dtype=torch.long)
        for name in ("videos", "correct", "correct5"):
            self.add_state(name, per_class.clone(), dist_reduce_fx="sum")
        for name in ("unreadable", "not_finite"):
            self.add_state(name, torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("loss", torch.tensor(0.0), dist_reduce_fx="sum")

    def update(self, probabilities: Tensor, labels: Tensor, readable: Tensor) -> None:
        """Adds videos: probabilities (B, C), labels (B,), readable (B,) bool."""
        # not in place: a validation ahead of training leaves sums that only inference may change
        ranked = hits(probabilities, labels, 5) & readable[:, None]
        self.videos = self.videos + _per_class(labels, self.videos)
        self.correct = self.correct + _per_class(labels[ranked[:, 0]], self.videos)
        self.correct5 = self.correct5 + _per_class(labels[ranked.any(1)], self.videos)
        self.unreadable = self.unreadable + (~readable).sum()
        self.not_finite = self.not_finite + (readable & ~probabilities.isfinite().all(1)).sum()
        own = probabilities.gather(1, labels[:, None])[readable, 0]
        self.loss = self.loss - own.nan_to_num(0).clamp_min(1e-12).log().sum()

    def compute(self) -> dict[str, Tensor]:
        """Fractions, top-1 with its 95 % interval, the mean loss over readable videos, and how many were not,
        or got no finite scores."""
        videos, present = self.videos.sum(), self.videos > 0
        low, high = wilson(float(self.correct.sum() / videos), int(videos))
        return {
            "top1": self.correct.sum().float() / videos,
            "top1_low": torch.tensor(low, device=videos.device),
            "top1_high": torch.tensor(high, device=videos.device),
            "top5": self.correct5.sum().float() / videos,
            "mean_class": (self.correct[present].float() / self.videos[present]).mean(),
            "loss": self.loss / (videos - self.unreadable).clamp_min(1),
            "videos": videos.float(),
            "unreadable": self.unreadable.float(),
            "not_finite": self.not_finite.float(),
        }


def hits(scores: Tensor, labels: Tensor, count: int) -> Tensor:
    """Whether the likeliest classes, best first, are the true one: (B, C), (B,) -> (B, count or C) bool.

    Where a score is not finite none is: NaN would rank highest, and class 0 first.
    """
    best = scores.topk(min(count, scores.shape[1])).indices
    return (best == labels[:, None]) & scores.isfinite().all(1, keepdim=True)


def _per_class(labels: Tensor, like: Tensor) -> Tensor:
    return torch.bincount(labels, minlength=len(like))
