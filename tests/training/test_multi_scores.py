"""Average precision and thresholds against scikit-learn's, and the figures of a split of several labels per video."""

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score

from video_adapters.training import multi_scores
from video_adapters.training.average_precision import average_precision, best_threshold
from video_adapters.training.multi_scores import MultiScores

GENERATOR = np.random.default_rng(0)
SETS = np.array([[False, False, False, False], [True, False, False, False], [True, True, False, False]])  # of 4 classes


@pytest.mark.parametrize("levels", [3, 10**6])
def test_average_precision_is_scikit_learns_also_of_equal_scores(levels: int) -> None:
    for _ in range(20):
        shown = GENERATOR.random(57) < 0.3
        scores = (GENERATOR.integers(levels, size=57) / levels).astype(np.float32)
        ours = average_precision(torch.from_numpy(scores), torch.from_numpy(shown))
        assert ours == pytest.approx(average_precision_score(shown, scores), abs=1e-12)


def test_no_threshold_names_a_class_better() -> None:
    for _ in range(20):
        shown, scores = GENERATOR.random(40) < 0.2, GENERATOR.random(40).astype(np.float32)
        threshold = best_threshold(torch.from_numpy(scores), torch.from_numpy(shown))
        of_all = [f1_score(shown, scores >= cut) for cut in scores]
        assert f1_score(shown, scores >= threshold) == pytest.approx(max(of_all))
        assert np.abs(scores - threshold).min() > 0  # between two scores


def test_a_class_that_no_video_shows_has_no_precision_and_the_middle_as_its_threshold() -> None:
    scores, shown = torch.rand(5), torch.zeros(5, dtype=torch.bool)
    assert np.isnan(average_precision(scores, shown))
    assert best_threshold(scores, shown) == 0.5


def test_figures_are_means_over_classes_that_occur_from_any_number_of_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels, probabilities = torch.from_numpy(GENERATOR.integers(3, size=30)), torch.rand(30, 4)
    readable = torch.ones(30, dtype=torch.bool)
    one, *two = (MultiScores(torch.from_numpy(SETS)) for _ in range(3))
    one.update(probabilities, labels, readable)
    for part, own in zip(two, (slice(0, 7), slice(7, 30)), strict=True):
        part.update(probabilities[own], labels[own], readable[own])
    alone = one.compute()
    shown = SETS[labels]
    expected = [average_precision_score(shown[:, c], probabilities[:, c]) for c in (0, 1)]
    assert float(alone["mAP"]) == pytest.approx(np.mean(expected))
    torch.testing.assert_close(
        alone["loss"].float(), torch.nn.functional.binary_cross_entropy(probabilities, torch.from_numpy(shown).float())
    )
    monkeypatch.setattr(multi_scores, "gather", lambda mine: [part._parts for part in two])
    for name, value in two[0].compute().items():
        torch.testing.assert_close(value, alone[name], msg=name)


def test_a_video_without_an_answer_ranks_last() -> None:
    scores = MultiScores(torch.tensor([[True, False], [False, True]]))
    probabilities = torch.tensor([[0.9, 0.1], [0.8, 0.2], [float("nan"), 0.9]])
    scores.update(probabilities, torch.tensor([0, 0, 1]), torch.tensor([True, False, True]))
    found = scores.compute()
    assert float(found["mAP"]) == pytest.approx(((1 + 2 / 3) / 2 + 1 / 3) / 2)  # behind none, and level with another
    assert (found["videos"], found["unreadable"], found["not_finite"]) == (3, 1, 1)
    assert ((found["thresholds"] >= 0) & (found["thresholds"] <= 1)).all()
