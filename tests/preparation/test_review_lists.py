"""Lists of what is probably wrong with a data set, on features whose faults are known."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from video_adapters.preparation.review.class_pairs import alike
from video_adapters.preparation.review.decomposition import balanced, decompose
from video_adapters.preparation.review.left_out import PENALTIES, left_out
from video_adapters.preparation.review.near_duplicates import BY_CHANCE, dimension, merged, near_duplicates
from video_adapters.preparation.review.neighbours import neighbours
from video_adapters.preparation.review.outliers import outliers
from video_adapters.preparation.review.review_lists import Labelled, Review, review
from video_adapters.preparation.review.wrong_labels import wrong_labels

CLASSES, PER_CLASS, AXES, WIDTH = 5, 40, 12, 48


def features_of(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Like those of CLIP: mean 20, spread 0.003, three loud channels, few axes in which classes differ: (N, WIDTH)."""
    rng = np.random.default_rng(seed)
    centres = 2.5 * np.random.default_rng(7).normal(size=(CLASSES, AXES))
    x = (centres[labels] + rng.normal(size=(len(labels), AXES))) @ rng.normal(size=(AXES, WIDTH))
    x[:, :3] *= 100
    return (20 + 0.003 * x).astype(np.float32)


def labelled(labels: np.ndarray, splits: list[str] | None = None, groups: np.ndarray | None = None) -> Labelled:
    count = len(labels)
    return Labelled(
        labels=labels,
        splits=splits or ["train"] * count,
        groups=np.arange(count) if groups is None else groups,
        class_names=[f"class {label}" for label in range(CLASSES)],
    )


@pytest.fixture(scope="module")
def faulty() -> tuple[Review, np.ndarray, np.ndarray]:
    """A review of 200 videos and 10 near-copies of the first ten in another split, of which 10 have a wrong label."""
    right = np.repeat(np.arange(CLASSES), PER_CLASS)
    x = features_of(right)
    copies = np.arange(0, 200, 20)
    near = x[copies] + 0.02 * x.std(0) * np.random.default_rng(1).normal(size=(10, WIDTH))
    labels = np.concatenate([right, right[copies]])
    wrong = np.arange(5, 200, 20)
    labels[wrong] = (labels[wrong] + 1) % CLASSES
    splits = ["train"] * 200 + ["test"] * 10
    result = review({"good": np.concatenate([x, near]), "poor": features_of(labels * 0, 3)}, labelled(labels, splits))
    return result, copies, wrong


def rows(result: Review, name: str) -> list[int]:
    return [row.video for row in result.rows if row.list == name]


def test_copies_across_splits_are_those_that_were_planted(faulty: tuple[Review, np.ndarray, np.ndarray]) -> None:
    result, copies, _ = faulty
    pairs = [{row.video, row.neighbour} for row in result.rows if row.list == "across splits"]
    assert sorted(map(sorted, pairs)) == [[copy, 200 + number] for number, copy in enumerate(copies)]
    assert rows(result, "within a split") == []
    assert {row.action for row in result.rows if row.list == "across splits"} <= {
        "one video, in train and test? Keep one", "one video, in test and train? Keep one"
    }  # fmt: skip


def test_wrong_labels_come_first_with_the_right_one_suggested(faulty: tuple[Review, np.ndarray, np.ndarray]) -> None:
    result, _, wrong = faulty
    listed = [row for row in result.rows if row.list == "label"]
    assert {row.video for row in listed[:10]} == set(wrong)
    assert [row.suggestion for row in listed[:10]] == [row.video // PER_CLASS for row in listed[:10]]
    assert all(one.score >= other.score for one, other in pairwise(listed))
    assert len(listed) < 20
    first = listed[0]
    assert first.neighbour // PER_CLASS == first.suggestion
    assert first.action == f"watch: is it 'class {first.suggestion}'? So are 10 of its 10 nearest"


def test_the_features_that_tell_the_classes_best_are_taken(faulty: tuple[Review, np.ndarray, np.ndarray]) -> None:
    assert faulty[0].features == "good"
    assert 0.9 < faulty[0].accuracy < 0.96  # 10 of 210 labels are wrong


def test_an_outlier_and_classes_that_are_one_are_listed_with_whom_they_are_most_alike() -> None:
    labels = np.repeat(np.arange(CLASSES), PER_CLASS)
    x = features_of(np.where(labels == 4, 3, labels))
    x[7] += 8 * x.std(0) * np.random.default_rng(2).normal(size=WIDTH).astype(np.float32)
    listed = review({"x": x}, labelled(labels)).rows
    (pair,) = [row for row in listed if row.list == "classes"]
    assert (labels[pair.video], labels[pair.neighbour], pair.suggestion) == (3, 4, 4)
    assert pair.score == pytest.approx(0.5, abs=0.15)
    (odd,) = [row for row in listed if row.list == "outlier"]
    assert odd.video == 7
    assert labels[odd.neighbour] == 0
    assert odd.neighbour != 7


def test_scores_are_those_of_a_ridge_fitted_without_the_group() -> None:
    labels = np.array([0, 1, 2] * 7)
    groups = np.array([0, 0, 0, 1, 1, *range(2, 18)])
    for width in (8, 40):  # fewer and more than videos
        x = np.random.default_rng(0).normal(20, 0.003, (21, width)) + 0.003 * labels[:, None]
        axes = decompose(x, labels)
        result = left_out(axes, labels, 3, groups)
        targets, penalty = np.eye(3)[labels], result.penalty * axes.squares.mean()
        for group in np.unique(groups):
            out = groups == group
            ridge = Ridge(alpha=penalty).fit(axes.standardised[~out], targets[~out])
            np.testing.assert_allclose(result.scores[out], ridge.predict(axes.standardised[out]), atol=1e-9)
        assert result.penalty in PENALTIES


def test_where_all_videos_are_of_one_group_each_is_left_out_by_itself() -> None:
    labels = np.array([0, 1, 2] * 4)
    axes = decompose(np.random.default_rng(0).normal(size=(12, 5)), labels)
    together, alone = (left_out(axes, labels, 3, groups) for groups in (np.zeros(12, int), np.arange(12)))
    np.testing.assert_array_equal(together.scores, alone.scores)


def test_every_class_counts_the_same_however_many_videos_it_has() -> None:
    labels = np.array([0] * 6 + [1] * 2)
    weights = balanced(labels)
    assert weights.sum() == pytest.approx(8)
    assert weights[:6].sum() == pytest.approx(weights[6:].sum())
    x = np.random.default_rng(0).normal(size=(8, 3))
    repeated = np.concatenate([x, x[6:], x[6:]])  # the same by repetition
    axes, same = decompose(x, labels), decompose(repeated, np.array([0] * 6 + [1] * 6))
    np.testing.assert_allclose(axes.standardised, same.standardised[:8])
    np.testing.assert_allclose(axes.whitened() @ axes.whitened().T, (same.whitened() @ same.whitened().T)[:8, :8])


def test_the_decomposition_is_that_of_the_weighted_features() -> None:
    labels = np.array([0] * 5 + [1] * 2)
    for width in (3, 20):
        axes = decompose(np.random.default_rng(0).normal(size=(7, width)), labels)
        weighted = np.sqrt(axes.weights)[:, None] * axes.standardised
        np.testing.assert_allclose((axes.left * axes.squares) @ axes.left.T, weighted @ weighted.T, atol=1e-9)
        np.testing.assert_allclose(axes.left.T @ axes.left, np.eye(len(axes.squares)), atol=1e-9)


def test_features_that_do_not_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="all 4 videos have the same features"):
        decompose(np.full((4, 3), 20.0), np.array([0, 0, 1, 1]))
    with pytest.raises(ValueError, match="2 videos can be read, expected at least 3"):
        review({"x": np.eye(2)}, labelled(np.array([0, 1])))


def test_neighbours_leave_the_video_itself_out_even_among_copies() -> None:
    points = np.concatenate([np.zeros((5, 2)), [[3, 4]]])
    near = neighbours(points, 3)
    assert all(video not in others for video, others in enumerate(near.indices))
    assert near.distances[5].tolist() == [5, 5, 5]
    assert neighbours(points).indices.shape == (6, 5)


@pytest.mark.parametrize("dimensions", [2, 5])
def test_without_copies_hardly_a_pair_is_listed_whatever_the_dimension(dimensions: int) -> None:
    points = np.random.default_rng(0).random((1000, dimensions))
    near = neighbours(points)
    ratios = near.distances / near.distances[:, -1:]
    assert dimension(ratios) == pytest.approx(dimensions, rel=0.15)  # near the edge there is less
    assert len(near_duplicates(near, ["train"] * 1000)) <= 2


def test_of_three_copies_each_pair_is_listed_once() -> None:
    points = np.random.default_rng(0).random((300, 6))
    points[[100, 200]] = points[0]
    near = near_duplicates(neighbours(points), ["train"] * 300)
    assert sorted(sorted(pair[:2]) for pair in near[:3]) == [[0, 100], [0, 200], [100, 200]]
    assert len(near) <= 3 + 3 * BY_CHANCE + 1
    assert [pair.ratio for pair in near[:3]] == pytest.approx([0, 0, 0], abs=1e-6)


def test_copies_across_splits_do_not_pay_for_chance_within_one() -> None:
    points = np.random.default_rng(0).random((400, 6))
    points[200:300] = points[:100] + 1e-4
    points[399] = points[398] + 0.4 * (points[397] - points[398])  # near, as two of 400 may be
    splits = ["train"] * 200 + ["test"] * 200
    near = near_duplicates(neighbours(points), splits)
    assert sum(splits[pair.first] != splits[pair.second] for pair in near) >= 100
    assert all(splits[pair.first] != splits[pair.second] for pair in near)


def test_when_every_video_is_there_twice_all_pairs_are_listed() -> None:
    half = np.random.default_rng(0).random((100, 6))
    near = near_duplicates(neighbours(np.concatenate([half, half + 1e-4])), ["train"] * 100 + ["val"] * 100)
    assert {tuple(sorted(pair[:2])) for pair in near} >= {(i, 100 + i) for i in range(100)}
    assert len(near) <= 110


def test_groups_with_near_duplicates_between_them_become_one() -> None:
    points = np.array([[0.0, 0], [0, 1e-6], [5, 0], [0, 7], [9, 9], [-8, 3]])
    pairs = near_duplicates(neighbours(points), list("abcdef"))
    assert [set(pair[:2]) for pair in pairs] == [{0, 1}]
    groups = merged(np.array([4, 7, 4, 9, 9, 2]), pairs)
    assert groups[0] == groups[1] == groups[2]
    assert groups[3] == groups[4]
    assert len(set(groups)) == 3


def test_a_class_in_one_group_is_not_judged() -> None:
    scores = np.array([[0.9, 0.1], [0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    labels = np.array([1, 1, 0, 0])
    assert [suspect[:2] for suspect in wrong_labels(scores, labels, np.array([5, 5, 1, 2]))] == [(3, 1)]
    assert [suspect[:2] for suspect in wrong_labels(scores, labels, np.array([5, 6, 1, 2]))] == [(0, 0), (1, 0), (3, 1)]


def test_outliers_are_far_from_their_own_class_and_from_the_one_that_they_are_taken_for() -> None:
    right = np.repeat(np.arange(3), 40)
    points = np.random.default_rng(0).normal(size=(120, 30)) + 20 * right[:, None]
    points[:40] *= 3  # a loose class is none of outliers
    points[50] += 40 * (np.arange(30) % 2)
    points[90:94] += 40  # four of one kind are not each other's company
    labels = right.copy()
    labels[60:63] = 2  # wrong, and near to what they are taken for
    listed = [outlier.video for outlier in outliers(points, labels, right)]
    assert set(listed[:5]) == {50, 90, 91, 92, 93}
    assert len(listed) <= 7
    assert not {60, 61, 62} & set(listed)
    assert {60, 61, 62} <= {outlier.video for outlier in outliers(points, labels, labels)}
    assert outliers(np.zeros((6, 2)), labels[:6], labels[:6]) == []


def test_pairs_of_classes_are_those_that_are_guessed_between() -> None:
    scores = np.array([[3, 2, 0], [2, 3, 0], [3, 2, 0], [2, 3, 0], [0, 1, 9], [1, 1, 9.0]])
    pairs = alike(scores, np.array([0, 0, 1, 1, 2, 2]))
    assert pairs == [(0, 1, 0.5)]
    assert alike(scores, np.array([0, 1, 0, 1, 2, 2])) == []
    assert alike(np.ones((4, 2)), np.array([0, 0, 1, 1])) == [(0, 1, 0.5)]
