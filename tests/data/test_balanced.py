"""Balanced draws: shares by counting, every video of a class before one comes again, the same on any devices."""

from collections import Counter
from itertools import islice

import numpy as np

from video_adapters.data.balanced import BalancedDraws
from video_adapters.data.sampler import Key, Split, StepSampler

LABELS = np.array([0] * 50 + [1] * 7 + [3])  # no video shows class 2


def batches(split: Split, world_size: int = 1, rank: int = 0, epochs: int = 3) -> list[list[list[Key]]]:
    draws = BalancedDraws(LABELS, None, seed=5)
    keys = StepSampler(len(LABELS), split, world_size=world_size, rank=rank, seed=5, draws=draws)
    epoch_batches = []
    for epoch in range(epochs):
        keys.set_epoch(epoch)
        epoch_batches.append(list(keys))
        assert len(epoch_batches[-1]) == len(keys)
    return epoch_batches


def test_classes_that_occur_have_the_same_share_and_of_each_all_videos_come_before_one_comes_again() -> None:
    keys = list(BalancedDraws(LABELS, None, seed=5)(0, 300))
    assert Counter(LABELS[key.video] for key in keys) == {0: 100, 1: 100, 3: 100}
    times = Counter(key.video for key in keys)
    assert {times[video] for video in range(50)} == {2}
    assert {times[video] for video in range(50, 57)} == {14, 15}
    assert len({(key.video, key.epoch) for key in keys}) == 300  # no clip comes twice


def test_draws_go_on_anywhere() -> None:
    draws = BalancedDraws(LABELS, None, seed=5)
    assert list(BalancedDraws(LABELS, None, seed=5)(41, 83)) == list(islice(draws(0, 100), 41, 83))


def test_steps_hold_the_same_videos_on_one_device_as_on_two() -> None:
    one, left, right = batches(Split(8, 1)), batches(Split(4, 1), 2, 0), batches(Split(4, 1), 2, 1)
    for epoch in range(3):
        for whole, *halves in zip(one[epoch], left[epoch], right[epoch], strict=True):
            assert sorted(key for key in whole if key.weight) == sorted(k for h in halves for k in h if k.weight)


def test_an_epoch_that_was_left_goes_on_with_the_same_batches() -> None:
    whole = batches(Split(4, 2), epochs=1)[0]
    keys = StepSampler(len(LABELS), Split(4, 2), seed=5, draws=BalancedDraws(LABELS, None, seed=5))
    keys.skip = 3
    assert list(keys) == whole[3:]


def test_of_several_labels_a_video_is_drawn_for_each_and_its_clips_differ() -> None:
    sets = np.array([[True, True, False], [False, False, False], [True, False, False]])
    labels = np.array([0] * 4 + [1] * 2 + [2] * 6)
    keys = list(BalancedDraws(labels, sets, seed=0)(0, 300))  # classes 0 and 1, and those without any
    drawn = Counter(labels[key.video] for key in keys)
    assert drawn[1] == 100  # of no class
    assert drawn[0] == 100 + 40  # for class 1, and 4 of the 10 videos of class 0
    assert len({(key.video, key.epoch) for key in keys}) == 300
