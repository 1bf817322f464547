"""Divisions into what is fitted on and what is held out."""

import numpy as np
import pytest

from video_adapters.features.probing.folds import folds

LABELS = np.arange(60) % 5
PEOPLE = [f"person{i // 5}" for i in range(60)]  # twelve, each in every class
VALIDATION = np.arange(60) >= 50


def test_over_groups_every_video_is_held_out_once_and_no_group_is_on_both_sides() -> None:
    divided = folds(LABELS, VALIDATION, PEOPLE, count=6)
    assert len(divided) == 6
    assert sorted(np.concatenate([fold.held_out for fold in divided])) == list(range(60))
    for fold in divided:
        assert not {PEOPLE[i] for i in fold.fit} & {PEOPLE[i] for i in fold.held_out}
        assert len(fold.fit) + len(fold.held_out) == 60
        assert set(LABELS[fold.held_out]) == set(range(5))


def test_without_groups_validation_is_held_out() -> None:
    (fold,) = folds(LABELS, VALIDATION)
    assert fold.held_out.tolist() == list(range(50, 60))
    assert fold.fit.tolist() == list(range(50))
    assert len(folds(LABELS, VALIDATION, ["alone"] * 60)) == 1


@pytest.mark.filterwarnings("error")
def test_few_groups_and_small_classes_make_fewer_folds() -> None:
    assert len(folds(LABELS, VALIDATION, ["a", "b", "c"] * 20, count=6)) == 3
    labels = np.array([0, 0, 0, 0, 0, 1, 2])  # two classes are lacking wherever they are held out
    divided = folds(labels, np.zeros(7, bool), list("abcdefg"), count=5)
    assert sorted(np.concatenate([fold.held_out for fold in divided])) == list(range(7))


def test_what_cannot_be_read_is_held_out_and_never_fitted_on() -> None:
    readable = np.arange(60) % 7 > 0
    divided = folds(LABELS, VALIDATION, PEOPLE, readable=readable)
    assert all(readable[fold.fit].all() for fold in divided)
    assert sum(len(fold.held_out) for fold in divided) == 60
    with pytest.raises(ValueError, match="too few can be read"):
        folds(LABELS, VALIDATION, readable=VALIDATION)
