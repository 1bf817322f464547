"""The search for the best probe: every candidate scored on held-out videos, one of them chosen and fitted on all."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from itertools import count
from typing import NamedTuple

import torch
from torch import Tensor

from video_adapters.commands.terminal import advancing
from video_adapters.commands.wording import counted
from video_adapters.features.probing.candidate import CONTROL, Candidate, Reading, Row, Space, accuracies
from video_adapters.features.probing.folds import Fold
from video_adapters.features.probing.head_fitting import divide_scores, set_statistics, write_solution
from video_adapters.features.probing.nearest import nearest
from video_adapters.features.probing.probe_settings import Probing
from video_adapters.features.probing.ridge import Ridge
from video_adapters.features.probing.side_by_side import Probes, Recipe, num_steps
from video_adapters.features.probing.temperature import temperature
from video_adapters.model.heads.head import Head

log = logging.getLogger(__name__)

STEPS_TIMED = 4  # the first of all, which allocates, is not counted

Read = Callable[[int, str], Tensor]
"""Features of all clips by layer and kind: (N, T, D) float32."""

HeadOf = Callable[[str, Reading, Tensor], Head]
"""Builds the head of a candidate that reads the frames in a way, for features of some shape (N, T, D)."""

Fit = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Fits K probes on features (N, ...) and labels (N,), and scores others (M, ...): -> (K, M, C)."""


class Clips(NamedTuple):
    """Training and validation videos: what probes are fitted on and chosen by."""

    labels: Tensor  # (N,) int64
    num_classes: int
    readable: Tensor  # (N,) bool
    folds: Sequence[Fold]
    trains: Tensor  # (N,) bool, which the best probe is fitted on in the end
    first: Tensor  # (N,) bool, which are their video's first

    @property
    def held_out(self) -> Tensor:
        """Indices of those that some fold holds out."""
        return torch.cat([torch.from_numpy(fold.held_out) for fold in self.folds])


class Search:
    """Scores candidates on held-out videos and keeps the best; of equal ones the first, so simple ones come first.

    Args:
        read: gives the features.
        clips: whose they are.
        settings: which candidates there are.
        head_of: builds heads.

    Attributes:
        rows: all candidates so far.
        best: the best of them, but for the control.
        scores: (N, C) of the best, each clip's by a probe that it was held out from.
    """

    def __init__(self, read: Read, clips: Clips, settings: Probing, head_of: HeadOf) -> None:
        self.read, self.clips, self.settings, self.head_of = read, clips, settings, head_of
        self.rows: list[Row] = []
        self.best: Row
        self.scores: Tensor
        self._highest = -1.0

    def run(self, layers: Iterable[int], kinds: Sequence[str]) -> "Search":
        """All candidates: the closed form everywhere, then trained heads on the best layers and kinds."""
        for layer in layers:
            for kind in kinds:
                features = self.read(layer, kind)
                for reads in self.settings.reads:
                    self._solve(Space(layer, kind, reads), features)
        deadline = time.monotonic() + 60 * self.settings.minutes
        for head in self.settings.trained:
            for space in self._best_spaces(head):
                if recipes := self.settings.recipes(head):
                    self._train(head, space, recipes, (deadline - time.monotonic()) / 60)
        return self

    def _solve(self, space: Space, features: Tensor) -> None:
        """The closed form with each penalty, and the control."""
        penalties, num_classes = self.settings.penalties, self.clips.num_classes
        arranged = space.arrange(features)
        solved = self._held_out(arranged, lambda x, y, z: Ridge(x, y, num_classes).scores(z, penalties))
        self._add([Candidate(space, "ridge", penalty=penalty) for penalty in penalties], solved)
        shares = self._held_out(arranged, lambda x, y, z: nearest(x, y, num_classes, z, self.settings.neighbours)[None])
        self._add([Candidate(space, CONTROL)], shares)

    def _train(self, head: str, space: Space, recipes: Sequence[Recipe], minutes_left: float) -> None:
        """Heads of one kind, trained by each recipe, if by their first steps that takes no longer than is left."""
        features, folds = self.read(space.layer, space.kind), self.clips.folds
        start, candidates = (
            self.head_of(head, space.reads, features),
            [Candidate(space, head, recipe=r) for r in recipes],
        )
        title = f"{counted(len(recipes), 'probe')}: {Candidate(space, head).described()}, {counted(len(folds), 'fold')}"
        steps = sum(num_steps(len(fold.fit), self.settings.per_step, self.settings.epochs) for fold in folds)
        minutes = steps * self._seconds_a_step(start, recipes, features) / 60
        if minutes > minutes_left:
            log.info(
                "%s: left out, they would take %.1f min of probe.minutes=%g", title, minutes, self.settings.minutes
            )
            return
        log.info("%s: about %.1f min", title, minutes)
        with advancing(title, steps) as show:
            done = count(1)

            def fit(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
                return self._trained(deepcopy(start), recipes, x, y, lambda: show(next(done))).scores(z)

            self._add(candidates, self._held_out(features, fit))

    def _seconds_a_step(self, head: Head, recipes: Sequence[Recipe], features: Tensor) -> float:
        few, times = self.settings.per_step * STEPS_TIMED, list[float]()
        probes = Probes(deepcopy(head), recipes)
        probes.train(
            features[:few],
            self.clips.labels[:few],
            epochs=1,
            per_step=self.settings.per_step,
            after_step=lambda: times.append(time.monotonic()),
        )
        return (times[-1] - times[0]) / max(len(times) - 1, 1)

    def _best_spaces(self, head: str) -> list[Space]:
        """The spaces of the closed form's best candidates; `linear` alone may average over frames."""
        ranked = sorted((row for row in self.rows if row.candidate.head == "ridge"), key=lambda row: -row.held_out)
        spaces = [row.candidate.space for row in ranked]
        if head != "linear":
            spaces = [space._replace(reads="in_order") for space in spaces]
        return list(dict.fromkeys(spaces))[: self.settings.best]

    def _held_out(self, features: Tensor, fit: Fit) -> Tensor:
        """Scores of every clip that is held out, by probes fitted on the others: (K, N, C)."""
        labels, scores = self.clips.labels, torch.empty(0)
        for fit_on, held_out in self.clips.folds:
            part = fit(features[fit_on], labels[fit_on], features[held_out])
            if not len(scores):
                scores = part.new_zeros(len(part), len(labels), self.clips.num_classes)
            scores[:, held_out] = part
        return scores

    def _add(self, candidates: Sequence[Candidate], scores: Tensor) -> None:
        clips, rows = self.clips, []
        for candidate, own in zip(candidates, scores, strict=True):
            rows.append(Row(candidate, accuracies(own, clips.labels, clips.folds, clips.readable)))
            if candidate.head != CONTROL and rows[-1].held_out > self._highest:
                self.best, self.scores, self._highest = rows[-1], own.clone(), rows[-1].held_out
        self.rows += rows

    def _trained(
        self,
        head: Head,
        recipes: Sequence[Recipe],
        features: Tensor,
        labels: Tensor,
        after_step: Callable[[], None] = lambda: None,
    ) -> Probes:
        set_statistics(head, features)
        settings = self.settings
        return Probes(head, recipes).train(
            features, labels, epochs=settings.epochs, per_step=settings.per_step, after_step=after_step
        )

    def refitted(self) -> Head:
        """The best candidate's head, fitted on all clips that train; the temperature is that of held-out ones."""
        candidate, labels = self.best.candidate, self.clips.labels
        own = self.clips.readable & self.clips.trains
        features = self.read(candidate.space.layer, candidate.space.kind)[own]
        head = self.head_of(candidate.head, candidate.space.reads, features)
        if candidate.penalty is not None:
            set_statistics(head, features)
            ridge = Ridge(candidate.space.arrange(features), labels[own], self.clips.num_classes)
            write_solution(ridge, candidate.penalty, head)
        elif candidate.recipe is not None:
            probes = self._trained(head, [candidate.recipe], features, labels[own])
            head.load_state_dict(probes.state(0), strict=False)
        divide_scores(head, self.temperature())
        return head

    def temperature(self) -> float:
        """Of the best candidate, on held-out clips that can be read."""
        held_out = self.clips.held_out
        held_out = held_out[self.clips.readable[held_out]]
        return temperature(self.scores[held_out], self.clips.labels[held_out])
