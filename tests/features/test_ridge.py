"""The closed form against scikit-learn, on features like real ones: far from 0, of little spread, all alike."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from video_adapters.features.probing.head_fitting import divide_scores, set_statistics, write_solution
from video_adapters.features.probing.ridge import Ridge
from video_adapters.model.heads.mean import MeanHead

CLASSES = 5


def real(count: int, *shape: int) -> tuple[Tensor, Tensor]:
    """Features of mean 20 and spread 0.003 in float32, which tell classes apart somewhat, and labels."""
    labels = torch.randint(CLASSES, (count,))
    directions = torch.randn(CLASSES, *shape)
    return 20 + 0.003 * (torch.randn(count, *shape) + 0.5 * directions[labels]), labels


@pytest.mark.parametrize("width", [7, 130], ids=["primal", "dual"])
@pytest.mark.parametrize("penalty", [1e-3, 1.0])
def test_scores_equal_those_of_scikit_learn(width: int, penalty: float) -> None:
    (features, labels), (others, _) = real(90, width), real(20, width)
    scores = Ridge(features, labels, CLASSES).scores(others, [10.0, penalty])[1]
    scaler = StandardScaler().fit(features.double().numpy())
    peer = SklearnRidge(alpha=penalty * max(90, width), solver="svd")
    peer.fit(scaler.transform(features.double().numpy()), np.eye(CLASSES)[labels])
    expected = torch.from_numpy(peer.predict(scaler.transform(others.double().numpy())))
    torch.testing.assert_close(scores, expected, atol=1e-5, rtol=0)


def test_a_feature_that_does_not_vary_changes_nothing() -> None:
    features, labels = real(40, 6)
    constant = torch.cat([features, torch.full((40, 1), 20.1)], 1)
    elsewhere = torch.cat([features, torch.full((40, 1), -7.0)], 1)
    expected = Ridge(features, labels, CLASSES).scores(features, [0.1])
    torch.testing.assert_close(Ridge(constant, labels, CLASSES).scores(elsewhere, [0.1]), expected)


def test_a_class_without_clips_is_never_the_best() -> None:
    features, labels = real(60, 12)
    scores = Ridge(features, labels, CLASSES + 1).scores(real(30, 12)[0], [1e-4, 1.0])
    assert (scores.argmax(-1) < CLASSES).all()
    torch.testing.assert_close(scores.sum(-1), torch.ones(2, 30, dtype=torch.float64))


def test_one_penalty_fits_all_sizes() -> None:
    """Twice the clips, or each feature twice: the same scores by the same penalty, in either form."""
    features, labels = real(50, 20)
    expected = Ridge(features, labels, CLASSES).scores(features, [0.1])
    twice = Ridge(features.repeat(2, 1), labels.repeat(2), CLASSES).scores(features, [0.1])
    torch.testing.assert_close(twice, expected)
    wide, labels = real(20, 50)
    expected = Ridge(wide, labels, CLASSES).scores(wide, [0.1])
    torch.testing.assert_close(Ridge(wide.repeat(1, 2), labels, CLASSES).scores(wide.repeat(1, 2), [0.1]), expected)


def test_a_head_computes_its_solution() -> None:
    features, labels = real(60, 3, 40)
    head = MeanHead(40, CLASSES, dropout=0, standardise=True)
    set_statistics(head, features)
    ridge = Ridge(features.mean(1), labels, CLASSES)
    write_solution(ridge, 0.01, head)
    others = real(30, 3, 40)[0]
    torch.testing.assert_close(head(others).double(), ridge.scores(others.mean(1), [0.01])[0], atol=1e-4, rtol=0)
    expected = head.eval()(others) / 4
    divide_scores(head, 4)
    torch.testing.assert_close(head(others), expected)
    assert head.standardise is not None
    assert head.standardise.steps * head.standardise.momentum == 1  # further steps move the statistics slowly
