"""Clips out of stores, in the order of their features."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from video_adapters.data.views import Views
from video_adapters.features.probing.from_stores import StoredFeatures, kinds_in


class Store(SimpleNamespace):
    def __len__(self) -> int:
        return len(self.present)


def stored(use: str, count: int, draws: int = 1, views: int = 1) -> Any:
    """A store of so many videos: the features of a clip are its number, video 1 cannot be read."""
    present = np.ones((count, draws), bool)
    present[1] = False
    numbers = np.arange(count * draws * views, dtype=np.float32) + (1000 if use == "val" else 0)
    return Store(
        read=lambda layer, kind: numbers.reshape(count, draws * views, 1, 1),
        present=present,
        flipped=np.arange(count * draws).reshape(count, draws) == 4,
        draws=draws,
        layers={9: None, 12: None},
        spec=SimpleNamespace(kinds=("class", "patches")),
    )


def data_of(groups: bool, test: str) -> Any:
    """What a search asks of a data set with 6 training and 4 validation videos."""
    counts = {"train": 6, "val": 4}
    people = {use: tuple(f"{i // 2}" for i in range(count)) for use, count in counts.items()}
    return SimpleNamespace(
        splits={"train": "train", "val": "val", "test": test},
        groups=lambda use: people[use] if groups else None,
        videos=lambda use: SimpleNamespace(labels=np.arange(counts[use]) % 2),
        views={"val": Views(clips=1, crops=3)},
        train_transform=SimpleNamespace(flipped=lambda label: 1 - label),
        num_classes=2,
    )


def both(data: Any) -> StoredFeatures:
    return StoredFeatures({"train": stored("train", 6, draws=2), "val": stored("val", 4, views=3)}, data)


def test_every_draw_and_view_is_a_clip_with_its_videos_label_and_mirrored_ones_with_theirs() -> None:
    stores = both(data_of(groups=False, test="test"))
    clips = stores.clips(6)
    assert stores.read(12, "class").flatten().tolist() == [*range(12), *range(1000, 1012)]
    labels = np.repeat(np.arange(6) % 2, 2)
    labels[4] = 1 - labels[4]
    assert clips.labels.tolist() == [*labels, *np.repeat(np.arange(4) % 2, 3)]
    assert clips.readable.logical_not().nonzero().flatten().tolist() == [2, 3, 15, 16, 17]
    assert clips.first.nonzero().flatten().tolist() == [0, 2, 4, 6, 8, 10, 12, 15, 18, 21]
    ((fit, held_out),) = clips.folds
    assert held_out.tolist() == list(range(12, 24))
    assert not {2, 3} & {*fit}
    assert clips.trains.all()


def test_folds_keep_the_clips_of_a_group_together() -> None:
    clips = both(data_of(groups=True, test="test")).clips(3)
    people = np.concatenate([np.repeat([0, 0, 1, 1, 2, 2], 2), np.repeat([0, 0, 1, 1], 3)])
    assert len(clips.folds) == 3
    for fit, held_out in clips.folds:
        assert not {*people[fit]} & {*people[held_out]}


@pytest.mark.parametrize("groups", [False, True])
def test_where_validation_is_the_test_nothing_is_fitted_on_it_in_the_end(groups: bool) -> None:
    assert both(data_of(groups, test="val")).clips(3).trains.tolist() == [True] * 12 + [False] * 12


def test_what_validation_shall_judge_later_is_not_fitted_on_it() -> None:
    stores = both(data_of(groups=False, test="test"))
    assert stores.clips(3, fit_validation=False).trains.tolist() == [True] * 12 + [False] * 12


def test_class_token_and_patches_go_together_where_both_are_kept() -> None:
    assert kinds_in(stored("train", 3)) == ("class", "patches", "both")
    other: Any = SimpleNamespace(spec=SimpleNamespace(kinds=("pooled", "patches")))
    assert kinds_in(other) == ("pooled", "patches")
