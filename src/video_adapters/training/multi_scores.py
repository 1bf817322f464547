"""Scores of a split whose videos may have several classes, the same figures from any number of processes."""

import torch
from torch import Tensor, nn

from video_adapters.training.average_precision import average_precision, best_threshold
from video_adapters.training.processes import gather


class MultiScores(nn.Module):
    """Mean average precision (mAP) over the classes that occur, the mean binary cross-entropy, and thresholds.

    A ranking cannot be summed up: scores are kept until they are computed, 4 bytes for each video and class, and
    gathered from all processes then. A video that could not be read, or whose scores are not finite, ranks last.
    """

    def __init__(self, label_sets: Tensor) -> None:
        super().__init__()
        self.label_sets = label_sets.cpu()  # (K, C) bool; rankings are made there
        self.reset()

    def reset(self) -> None:
        self._parts: list[tuple[Tensor, Tensor, Tensor]] = []

    def update(self, probabilities: Tensor, labels: Tensor, readable: Tensor) -> None:
        """Adds videos: probabilities (B, C), labels (B,), rows of the label sets, readable (B,) bool."""
        self._parts.append((probabilities.float().cpu(), labels.cpu(), readable.cpu()))

    def compute(self) -> dict[str, Tensor]:
        """mAP and loss as fractions and nats, how many videos there were, were not readable, or got no finite scores,
        and the threshold of each class, (C,) float64."""
        parts = [part for parts in gather(self._parts) for part in parts]
        probabilities, labels, readable = (torch.cat(field) for field in zip(*parts, strict=True))
        shown = self.label_sets[labels]
        finite = probabilities.isfinite().all(1)
        answered = finite & readable
        scores = torch.where(answered[:, None], probabilities, -1)
        precisions = torch.tensor([average_precision(*pair) for pair in zip(scores.T, shown.T, strict=True)])
        return {
            "mAP": precisions[shown.any(0)].mean(),
            "loss": _cross_entropy(probabilities[readable].nan_to_num(0), shown[readable]),
            "videos": torch.tensor(float(len(labels))),
            "unreadable": (~readable).sum().float(),
            "not_finite": (readable & ~finite).sum().float(),
            "thresholds": torch.tensor(
                [best_threshold(*pair) for pair in zip(scores.T, shown.T, strict=True)], dtype=torch.double
            ),
        }


def _cross_entropy(probabilities: Tensor, shown: Tensor) -> Tensor:
    """Mean over videos and classes, as of those whose probability is no less than 1e-12."""
    right = torch.where(shown, probabilities, 1 - probabilities)
    return -right.double().clamp_min(1e-12).log().mean() if len(right) else torch.tensor(0.0)
