"""Scores of a model when the frames of a clip come in another order."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from video_adapters.analysis.finding import Unanswerable
from video_adapters.analysis.runs.test_files import reversals
from video_adapters.analysis.runs.trained import Trained
from video_adapters.model.classifier import mean_probabilities

Order = Callable[[int, int], np.ndarray]
"""Number of frames T, and of a video in the data set -> the frames that its clips show in place of theirs: (T,)."""

SHUFFLES = 3


class Scored(NamedTuple):
    """Probabilities of the classes of the test videos, for each order of their frames."""

    class_names: tuple[str, ...]
    labels: np.ndarray  # (N,)
    probabilities: dict[str, np.ndarray]  # by order: (R, N, C), R draws of it

    def top1(self, order: str) -> np.ndarray:
        """Which videos are recognised, over the draws: (R, N) bool."""
        return self.probabilities[order].argmax(-1) == self.labels


def shuffled(seed: int) -> Order:
    """Each video's own random order, a function of seed and video."""
    return lambda size, video: np.random.default_rng([seed, video]).permutation(size)


def orders(shuffles: int = SHUFFLES) -> dict[str, list[Order]]:
    """The orders that tell whether time matters, each with its draws."""
    return {
        "as filmed": [lambda size, video: np.arange(size)],
        "shuffled": [shuffled(seed) for seed in range(shuffles)],
        "reversed": [lambda size, video: np.arange(size - 1, -1, -1)],
        "one frame": [lambda size, video: np.full(size, size // 2)],
    }


def reordered(clips: Tensor, videos: Tensor, order: Order) -> Tensor:
    """Clips (B, V, T, 3, H, W) of videos, by their numbers (B,), with their frames in another order."""
    frames = [order(clips.shape[2], video) for video in videos.tolist()]
    return torch.stack([clip[:, chosen] for clip, chosen in zip(clips, frames, strict=True)])


@torch.inference_mode()
def score_orders(trained: Trained, draws: Mapping[str, list[Order]] | None = None) -> Scored:
    """Scores the test videos of a run with their frames in other orders, those of `orders` where none are given.

    Raises:
        Unanswerable: videos may have several classes, no video can be read, or scores are not finite.
    """
    if trained.data.labels == "multi":
        raise Unanswerable(f"Videos of the run {trained.run} may have several classes: orders are compared by top-1.")
    draws = draws or orders()
    labels: list[Tensor] = []
    scores: dict[str, list[list[Tensor]]] = {name: [[] for _ in several] for name, several in draws.items()}
    for batch in trained.data.test_dataloader():
        own = (batch.weights > 0) & batch.readable  # without weight they only fill the batch up
        clips, videos = batch.clips[own], batch.indices[own]
        if not len(clips):
            continue
        labels.append(batch.labels[own])
        for name, several in draws.items():
            for draw, parts in zip(several, scores[name], strict=True):
                clip = reordered(clips, videos, draw).to(trained.device)
                parts.append(mean_probabilities(trained.classifier, clip, trained.at_once).cpu())
    if not labels:
        raise Unanswerable(f"None of the test videos of the run {trained.run} can be read.")
    stacked = {name: np.stack([torch.cat(p).numpy() for p in several]) for name, several in scores.items()}
    if not all(np.isfinite(chances).all() for chances in stacked.values()):
        raise Unanswerable(f"The run {trained.run} gives test videos scores that are not finite numbers.")
    return Scored(trained.class_names, torch.cat(labels).numpy(), stacked)


def by_order(scored: Scored) -> pd.DataFrame:
    """A row per order: top-1 and, where classes have known reversals, what is said in their place.

    Columns: top1, `its reversal` and `another class` (shares of videos), `right of the pair` (share of videos to whom
    the model gives their own class a higher probability than its reversal; without order, a half).
    """
    partner = reversals(scored.class_names)
    rows = {}
    for name, chances in scored.probabilities.items():
        row = {"top1": float(scored.top1(name).mean())}
        if partner is not None:
            row["its reversal"] = float((chances.argmax(-1) == partner[scored.labels]).mean())
            row["another class"] = 1 - row["top1"] - row["its reversal"]
            row["right of the pair"] = float(right_of_pair(scored, name).mean())
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("frames")


def right_of_pair(scored: Scored, order: str) -> np.ndarray:
    """Whether a video's own class gets a higher probability than its reversal: (R, N) bool.

    Raises:
        ValueError: the reversals of the classes are not known.
    """
    partner = reversals(scored.class_names)
    if partner is None:
        raise ValueError(f"nobody knows which of the classes {', '.join(scored.class_names[:3])}, ... reverse which")
    chances, videos = scored.probabilities[order], np.arange(len(scored.labels))
    return chances[:, videos, scored.labels] > chances[:, videos, partner[scored.labels]]


def by_class(scored: Scored) -> pd.DataFrame:
    """A row per class that has videos, the most temporal first: accuracy for each order, over its draws.

    `loss` is what shuffling takes away; `reversed, taken for` the class that its videos, reversed, most often become.
    """
    rows = {}
    for label in np.unique(scored.labels):
        mine = scored.labels == label
        row: dict[str, float | str] = {name: float(scored.top1(name)[:, mine].mean()) for name in scored.probabilities}
        predicted = scored.probabilities["reversed"][0, mine].argmax(-1)
        row["reversed, taken for"] = scored.class_names[np.bincount(predicted).argmax()]
        rows[scored.class_names[label]] = row
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("class")
    table.insert(1, "loss", table["as filmed"] - table["shuffled"])
    return table.sort_values("loss", ascending=False, kind="stable")
