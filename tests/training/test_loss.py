"""The loss against its closed forms, with weights and adjusted logits, of one label and of several."""

import numpy as np
import pytest
import torch

from video_adapters.training.loss import LossSettings, build_loss

LOGITS = torch.tensor([[0.3, -1.2, 2.0], [1.5, 0.4, -0.7], [-0.2, 0.9, 0.1]])
LABELS = np.array([0] * 6 + [1] * 3 + [2])  # of the training videos
SETS = np.array([[True, True, False], [False, False, False], [True, False, True]])


def test_cross_entropy_weighs_classes_inversely_to_their_numbers() -> None:
    loss = build_loss(LossSettings(class_weights="balanced"), 3, labels=LABELS)
    of_class = -LOGITS.log_softmax(1)[range(3), [0, 1, 2]]
    weights = torch.tensor([10 / (3 * 6), 10 / (3 * 3), 10 / (3 * 1)])
    torch.testing.assert_close(loss(LOGITS, torch.arange(3)), weights * of_class)
    assert float((weights[torch.from_numpy(LABELS)]).mean()) == pytest.approx(1)


def test_adjusted_logits_are_those_of_the_classes_shares() -> None:
    loss = build_loss(LossSettings(logit_adjustment=2.0), 3, labels=LABELS)
    shares = torch.tensor([0.6, 0.3, 0.1])
    given = LOGITS.exp() * shares**2  # softmax(f + tau log p) = p^tau exp(f) / sum
    expected = -(given / given.sum(1, keepdim=True))[range(3), [2, 1, 0]].log()
    torch.testing.assert_close(loss(LOGITS, torch.tensor([2, 1, 0])), expected)


def test_several_labels_are_told_by_binary_cross_entropy_over_the_classes() -> None:
    loss = build_loss(LossSettings(label_smoothing=0.2), 3, SETS)
    p, targets = LOGITS.sigmoid(), torch.tensor([[0.9, 0.9, 0.1], [0.1, 0.1, 0.1], [0.9, 0.1, 0.9]])
    expected = -(targets * p.log() + (1 - targets) * (1 - p).log()).mean(1)
    torch.testing.assert_close(loss(LOGITS, torch.arange(3)), expected)


def test_of_several_labels_positives_are_weighed_and_logits_adjusted_by_their_odds() -> None:
    labels = np.array([0, 0, 1, 2, 1])  # classes are in 3, 2 and 1 of 5 videos
    odds = torch.tensor([3 / 2, 2 / 3, 1 / 4])
    settings = LossSettings(class_weights="balanced", logit_adjustment=1.0)
    given = LOGITS.exp() * odds
    p, shown = given / (1 + given), torch.from_numpy(SETS).float()
    expected = -(shown / odds * p.log() + (1 - shown) * (1 - p).log()).mean(1)
    torch.testing.assert_close(build_loss(settings, 3, SETS, labels)(LOGITS, torch.arange(3)), expected)


def test_a_class_without_a_video_leaves_the_loss_finite() -> None:
    settings = LossSettings(class_weights="balanced", logit_adjustment=1.0, label_smoothing=0.1)
    loss = build_loss(settings, 3, labels=np.array([0, 0, 1]))
    assert loss(LOGITS, torch.tensor([0, 1, 0])).isfinite().all()
    sets = SETS & [True, True, False]
    assert build_loss(settings, 3, sets, np.array([0, 1]))(LOGITS, torch.tensor([0, 1, 0])).isfinite().all()


def test_a_class_that_every_video_shows_is_learned_too() -> None:
    sets = SETS | [True, False, False]
    loss = build_loss(LossSettings(class_weights="balanced", label_smoothing=0.1), 3, sets, np.array([0, 1, 2]))
    logits = LOGITS.clone().requires_grad_()
    loss(logits, torch.arange(3)).sum().backward()
    assert (logits.grad[:, 0][LOGITS[:, 0] < 1] < 0).all()  # upwards, where it is not sure yet


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"label_smoothing": 1.0}, "loss.label_smoothing is 1.0"),
        ({"logit_adjustment": -1.0}, "loss.logit_adjustment is -1.0, expected a number of at least 0"),
        ({"class_weights": "equal"}, "loss.class_weights is equal, expected null, balanced or a number for each class"),
        ({"class_weights": [1, 2]}, "loss.class_weights has 2 numbers, from 1 to 2, expected 3 of at least 0"),
        ({"class_weights": 2}, "loss.class_weights is 2, expected null, balanced or a number for each class"),
        ({"class_weights": [1, "a", 2]}, r"loss.class_weights is \[1, 'a', 2\], expected null, balanced or a number"),
        ({"class_weights": [1, 2, -1]}, "loss.class_weights has 3 numbers, from -1 to 2"),
    ],
)
def test_settings_that_are_none_are_refused(settings: dict, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match=message):
        build_loss(LossSettings(**settings), 3)
