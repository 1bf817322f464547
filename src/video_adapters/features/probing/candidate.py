"""Candidates of a probe: which features, read how, by which head, fitted how."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from video_adapters.features.probing.folds import Fold
from video_adapters.features.probing.side_by_side import Recipe

Reading = Literal["mean", "in_order"]
"""Features of a clip's frames averaged, which cannot tell their order, or one behind the other."""

CONTROL = "neighbours"  # is compared, and never chosen: no head holds it


class Space(NamedTuple):
    """Features that a probe stands on."""

    layer: int  # block that they leave, counted from 1
    kind: str  # class, patches, both, ...
    reads: Reading

    def arrange(self, features: Tensor) -> Tensor:
        """Frames' features to a clip's: (N, T, D) -> (N, D), or (N, T*D) in order."""
        return features.mean(1) if self.reads == "mean" else features.flatten(1)


@dataclass(frozen=True)
class Candidate:
    """One probe of those that are compared."""

    space: Space
    head: str  # ridge, linear, map, attentive, neighbours
    penalty: float | None = None  # of ridge, see there
    recipe: Recipe | None = None  # of a trained head

    def settings(self) -> dict[str, float | None]:
        """What it is fitted with, by name."""
        rate, decay = self.recipe or (None, None)
        return {"penalty": self.penalty, "rate": rate, "decay": decay}

    def described(self) -> str:
        """In words, for the terminal."""
        layer, kind, reads = self.space
        given = ", ".join(f"{name} {value:g}" for name, value in self.settings().items() if value is not None)
        features = f"{kind} of block {layer}, {'mean over frames' if reads == 'mean' else 'frames in order'}"
        return f"{self.head} on {features}" + (f" ({given})" if given else "")


class Row(NamedTuple):
    """A candidate and how it did."""

    candidate: Candidate
    accuracies: tuple[float, ...]  # on what each fold held out, as fractions

    @property
    def held_out(self) -> float:
        """Mean over the folds."""
        return sum(self.accuracies) / len(self.accuracies)

    def as_dict(self) -> dict[str, Any]:
        """A line of `probes.csv`."""
        own = {**self.candidate.space._asdict(), "head": self.candidate.head, **self.candidate.settings()}
        by_fold = {f"fold{number}": f"{share:.4f}" for number, share in enumerate(self.accuracies, 1)}
        return {**own, "held_out": f"{self.held_out:.4f}", **by_fold}


def accuracies(
    scores: Tensor, labels: Tensor, folds: Sequence[Fold], readable: Tensor | None = None
) -> tuple[float, ...]:
    """Share of right answers on what each fold held out: (N, C), (N,) -> a fraction for each.

    What cannot be read counts as wrong, and so does what got no finite scores.
    """
    right = (scores.argmax(1) == labels) & scores.isfinite().all(1)
    if readable is not None:
        right &= readable
    return tuple(float(right[torch.from_numpy(fold.held_out)].double().mean()) for fold in folds)
