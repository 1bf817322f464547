"""Scores by hand-made counts."""

import pytest
import torch

from video_adapters.commands.intervals import wilson
from video_adapters.training.scores import Scores


def test_accuracies_are_fractions_of_all_videos_and_of_the_classes_that_occur() -> None:
    scores = Scores(num_classes=4)
    labels = torch.tensor([0, 0, 0, 1])  # classes 2 and 3 do not occur
    guesses = torch.tensor([0, 0, 2, 1])
    scores.update(torch.eye(4)[guesses], labels, torch.ones(4, dtype=torch.bool))
    found = scores.compute()
    assert found["top1"] == 3 / 4
    assert found["mean_class"] == pytest.approx((2 / 3 + 1 / 1) / 2)
    assert found["videos"] == 4
    assert (float(found["top1_low"]), float(found["top1_high"])) == pytest.approx(wilson(3 / 4, 4))


def test_top5_looks_at_five_and_at_all_where_there_are_fewer() -> None:
    probabilities = torch.linspace(1, 0, 8).expand(8, 8)  # class 0 first, class 7 last, for every video
    scores = Scores(num_classes=8)
    scores.update(probabilities, torch.arange(8), torch.ones(8, dtype=torch.bool))
    assert scores.compute()["top5"] == 5 / 8
    few = Scores(num_classes=3)
    few.update(torch.eye(3), torch.arange(3), torch.ones(3, dtype=torch.bool))
    assert few.compute()["top5"] == 1


def test_an_unreadable_video_counts_as_wrong_and_not_for_the_loss() -> None:
    scores = Scores(num_classes=2)
    probabilities = torch.tensor([[0.8, 0.2], [0.9, 0.1]])
    scores.update(probabilities, torch.tensor([0, 0]), torch.tensor([True, False]))
    found = scores.compute()
    assert found["top1"] == 1 / 2
    assert found["top5"] == 1 / 2
    assert found["unreadable"] == 1
    assert found["loss"] == pytest.approx(-torch.log(torch.tensor(0.8)).item())


def test_the_loss_is_the_cross_entropy_of_the_mean_score() -> None:
    probabilities = torch.tensor([[0.5, 0.5], [0.25, 0.75]])
    scores = Scores(num_classes=2)
    scores.update(probabilities, torch.tensor([0, 0]), torch.ones(2, dtype=torch.bool))
    expected = -(torch.log(torch.tensor([0.5, 0.25]))).mean()
    assert scores.compute()["loss"] == pytest.approx(expected.item())


@pytest.mark.parametrize("odd", [float("nan"), float("inf")])
@pytest.mark.parametrize("at", [[0], [0, 1]])
def test_scores_that_are_no_numbers_count_as_wrong(odd: float, at: list[int]) -> None:
    """NaN ranks highest, and of several the first: class 0 would be right."""
    probabilities = torch.tensor([[0.2, 0.8], [0.6, 0.4]])
    probabilities[0, at] = odd
    scores = Scores(num_classes=2)
    scores.update(probabilities, torch.tensor([0, 0]), torch.ones(2, dtype=torch.bool))
    found = scores.compute()
    assert found["top1"] == found["top5"] == found["mean_class"] == 1 / 2
    assert found["loss"].isfinite()
