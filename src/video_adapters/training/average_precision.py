"""Average precision of a class, and the threshold by which it is best named, from the ranking of videos."""

import torch
from torch import Tensor

from video_adapters.model.checkpoint import UNCHOSEN


def average_precision(scores: Tensor, shown: Tensor) -> float:
    """Mean over the videos that show a class of the precision down to their rank: (N,), (N,) bool -> 0 to 1.

    Videos of equal scores stand at one rank, the last of theirs, as in scikit-learn's. NaN where no video shows it.
    """
    ranked = _Ranked(scores, shown)
    precision = ranked.hits / ranked.named
    return float(precision[ranked.shown].mean())


def best_threshold(scores: Tensor, shown: Tensor) -> float:
    """The threshold that names a class with the best F1, the highest of several: (N,), (N,) bool -> 0 to 1.

    It lies halfway between the lowest score that is named and the highest that is not, so that a score need not come
    out the same to the last bit.
    """
    if not shown.any():
        return UNCHOSEN
    ranked = _Ranked(scores, shown)
    f1 = 2 * ranked.hits / (ranked.named + shown.sum())
    last = int(ranked.named[int(f1.argmax())])  # how many are named
    following = float(ranked.scores[last]) if last < len(scores) else 0.0
    return (max(0.0, float(ranked.scores[last - 1])) + max(0.0, following)) / 2


class _Ranked:
    """Videos, the best scored first, each with what naming it and all with its score comes to.

    Attributes:
        scores, shown: (N,), in that order.
        named: (N,) how many are named with it.
        hits: (N,) float64, how many of these show the class.
    """

    def __init__(self, scores: Tensor, shown: Tensor) -> None:
        order = scores.argsort(descending=True, stable=True)
        self.scores, self.shown = scores[order], shown[order]
        count = torch.arange(1, len(scores) + 1, device=scores.device)
        ends = torch.ones_like(self.shown)
        ends[:-1] = self.scores[1:] != self.scores[:-1]
        self.named = torch.where(ends, count, len(scores)).flip(0).cummin(0).values.flip(0)
        self.hits = self.shown.cumsum(0).double()[self.named - 1]
