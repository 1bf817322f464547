"""Temperatures of scores."""

import torch
import torch.nn.functional as F

from video_adapters.features.probing.temperature import temperature


def test_scores_that_were_divided_get_their_temperature_back() -> None:
    logits = 3 * torch.randn(4000, 4)
    labels = torch.multinomial(logits.softmax(1), 1)[:, 0]
    assert abs(temperature(logits, labels) - 1) < 0.1
    assert abs(temperature(logits / 50, labels) / temperature(logits, labels) - 1 / 50) < 1e-6


def test_no_other_divisor_tells_labels_better() -> None:
    scores, labels = torch.rand(200, 6) + 0.2 * F.one_hot(torch.arange(200) % 6), torch.arange(200) % 6
    best = temperature(scores, labels)
    losses = [
        float(F.cross_entropy(scores / t, labels, label_smoothing=2 / 202)) for t in (best / 1.01, best, best * 1.01)
    ]
    assert min(losses) == losses[1]


def test_scores_that_are_always_right_get_a_finite_temperature() -> None:
    labels = torch.arange(100) % 3
    chances = (F.one_hot(labels, 3) / temperature(F.one_hot(labels, 3), labels)).softmax(1)
    assert 0.97 < chances.max() < 0.999


def test_scores_that_tell_nothing_are_evened_out() -> None:
    labels = torch.arange(100) % 2
    scores = F.one_hot(1 - labels, 2).double()
    assert (scores / temperature(scores, labels)).softmax(1).max() < 0.501
