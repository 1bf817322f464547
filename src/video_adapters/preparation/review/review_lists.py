"""Ranked lists of what is probably wrong with a data set, from the features of its videos."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from video_adapters.commands.terminal import advancing
from video_adapters.commands.wording import counted
from video_adapters.preparation.review.class_pairs import alike
from video_adapters.preparation.review.decomposition import Decomposition, decompose
from video_adapters.preparation.review.left_out import left_out
from video_adapters.preparation.review.near_duplicates import Pair, merged, near_duplicates
from video_adapters.preparation.review.neighbours import Neighbours, nearest_of, neighbours
from video_adapters.preparation.review.outliers import outliers
from video_adapters.preparation.review.wrong_labels import wrong_labels

LISTS = ("across splits", "within a split", "label", "outlier", "classes")
"""Near-duplicates in two splits, and in one; suspected labels; outliers; classes that cannot be told apart."""


class Row(NamedTuple):
    """A video, or two, that should be looked at."""

    list: str  # one of LISTS
    score: float  # of its own kind for each list
    video: int
    neighbour: int
    suggestion: int | None  # label: of a wrong label the right one, of a class the one like it
    action: str


@dataclass(frozen=True, kw_only=True)
class Review:
    """The lists, each with the worst on top, and what they rest on."""

    rows: list[Row]
    features: str  # those of the given ones that tell the classes best
    accuracy: float  # of their ridge regression, on videos and groups that it has not seen


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """What is known of N videos beside their features."""

    labels: np.ndarray  # (N,), from 0 to C - 1
    splits: Sequence[str]  # of each
    groups: np.ndarray  # (N,) numbers: videos of one have a person, a scene or a source in common
    class_names: Sequence[str]


class _View(NamedTuple):
    """One kind of features, and what follows from them."""

    name: str
    axes: Decomposition
    points: np.ndarray  # (N, R), of length 1
    near: Neighbours
    pairs: list[Pair]
    groups: np.ndarray  # (N,), near-duplicates in one
    scores: np.ndarray  # (N, C), of a classifier that has not seen the video's group
    accuracy: float


def review(features: Mapping[str, np.ndarray], videos: Labelled) -> Review:
    """Reviews by those features (N, P) of several kinds that tell the classes best.

    Raises:
        ValueError: fewer than three videos, or nothing that differs between them.
    """
    if len(videos.labels) < 3:
        raise ValueError(f"{counted(len(videos.labels), 'video')} can be read, expected at least 3 to compare")
    best: _View | None = None
    with advancing("comparing videos, by each kind of features", len(features)) as show:
        for done, (name, values) in enumerate(features.items(), 1):
            view = _view(name, values, videos)
            best = view if best is None or view.accuracy > best.accuracy else best
            show(done)
    assert best is not None, "features of some kind are given"
    rows = [*_duplicates(best, videos), *_labels(best, videos), *_outliers(best, videos), *_classes(best, videos)]
    return Review(rows=rows, features=best.name, accuracy=best.accuracy)


def _view(name: str, features: np.ndarray, videos: Labelled) -> _View:
    axes = decompose(features, videos.labels)
    points = axes.whitened()
    near = neighbours(points)
    pairs = near_duplicates(near, videos.splits)
    groups = merged(videos.groups, pairs)
    held_out = left_out(axes, videos.labels, len(videos.class_names), groups)
    return _View(name, axes, points, near, pairs, groups, held_out.scores, held_out.accuracy(videos.labels))


def _duplicates(view: _View, videos: Labelled) -> Iterator[Row]:
    """Score: distance over that of the tenth neighbour."""
    for first, second, ratio in view.pairs:
        one, other = videos.splits[first], videos.splits[second]
        action = (
            f"one video, twice in {one}? Keep one" if one == other else f"one video, in {one} and {other}? Keep one"
        )
        if videos.labels[first] != videos.labels[second]:
            action += ", under the right one of the two labels"
        yield Row(LISTS[1] if one == other else LISTS[0], ratio, first, second, None, action)


def _labels(view: _View, videos: Labelled) -> Iterator[Row]:
    """Score: margin of the suggestion over the label, 1 for a certain one."""
    for video, suggestion, margin in wrong_labels(view.scores, videos.labels, view.groups):
        votes = int((videos.labels[view.near.indices[video]] == suggestion).sum())
        of_it = np.flatnonzero(videos.labels == suggestion)
        name = videos.class_names[suggestion]
        action = f"watch: is it '{name}'? So are {votes} of its {view.near.indices.shape[1]} nearest"
        yield Row(LISTS[2], margin, video, nearest_of(view.points, video, of_it), suggestion, action)


def _outliers(view: _View, videos: Labelled) -> Iterator[Row]:
    """Score: distance to the class over the class's median."""
    for video, distance in outliers(view.axes.standardised, videos.labels, view.scores.argmax(1)):
        own = videos.labels == videos.labels[video]
        own[video] = False
        neighbour = nearest_of(view.points, video, np.flatnonzero(own))
        yield Row(LISTS[3], distance, video, neighbour, None, "watch: is it whole, upright and of this data set?")


def _classes(view: _View, videos: Labelled) -> Iterator[Row]:
    """Score: error between the two, 0.5 for guessing. Shown are the two videos of them that are nearest."""
    for first, second, error in alike(view.scores, videos.labels):
        one, other = np.flatnonzero(videos.labels == first), np.flatnonzero(videos.labels == second)
        a, b = np.unravel_index((view.points[one] @ view.points[other].T).argmax(), (len(one), len(other)))
        action = "merge them, or train adapters: frozen features do not tell them apart"
        yield Row(LISTS[4], error, int(one[a]), int(other[b]), second, action)
