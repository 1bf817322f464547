"""Every video exactly once, the same steps on any number of processes, and going on in mid-epoch."""

from itertools import chain

import pytest
from torch.utils.data import Dataset

from video_adapters.data.loader import ResumableLoader
from video_adapters.data.sampler import Key, Split, StepSampler, split_step


@pytest.mark.parametrize(
    ("per_step", "per_device", "devices", "expected"),
    [
        (64, 8, 4, Split(8, 2)),
        (64, 8, 1, Split(8, 8)),
        (64, 8, 8, Split(8, 1)),
        (64, 6, 4, Split(4, 4)),  # 16 clips per device; the largest divisor of 16 that is at most 6 is 4
        (64, 100, 1, Split(64, 1)),
        (64, 1, 2, Split(1, 32)),
    ],
)
def test_a_step_is_spread_with_the_fewest_forward_passes(
    per_step: int, per_device: int, devices: int, expected: Split
) -> None:
    split = split_step(per_step, per_device, devices)
    assert split == expected
    assert split.clips * split.accumulation * devices == per_step


def test_a_step_that_does_not_divide_is_refused_with_the_numbers() -> None:
    with pytest.raises(ValueError, match=r"per_step=64 clips do not divide over 3 devices; take 1 or 2 devices"):
        split_step(64, 8, 3)


@pytest.mark.parametrize("num_videos", [1, 7, 16, 37, 64])
@pytest.mark.parametrize("world_size", [1, 2, 3])
@pytest.mark.parametrize("split", [Split(2, 1), Split(2, 4), Split(5, 2)])
def test_every_video_weighs_once_per_epoch_on_any_number_of_processes(
    num_videos: int, world_size: int, split: Split
) -> None:
    ranks = [_sampler(num_videos, split, world_size, rank) for rank in range(world_size)]
    batches = [list(sampler) for sampler in ranks]
    assert [len(b) for b in batches] == [len(sampler) for sampler in ranks]
    assert len({len(b) for b in batches}) == 1
    keys = list(chain.from_iterable(chain.from_iterable(batches)))
    assert sorted(key.video for key in keys if key.weight > 0) == list(range(num_videos))
    fillers = [key for key in keys if key.weight == 0]
    assert len(fillers) < world_size
    steps = -(-num_videos // (split.clips * split.accumulation * world_size))
    assert sum(key.weight for key in keys) == pytest.approx(steps)


@pytest.mark.parametrize("steps_per_epoch", [None, 2, 5])
def test_processes_share_the_steps_that_one_process_would_make(steps_per_epoch: int | None) -> None:
    alone = list(_sampler(37, Split(8, 2), steps=steps_per_epoch))
    together = [list(_sampler(37, Split(4, 2), 2, rank, steps_per_epoch)) for rank in range(2)]

    def steps(ranks: list[list[list[Key]]]) -> list[dict[int, float]]:
        grouped: list[dict[int, float]] = []
        for first in range(0, len(ranks[0]), 2):  # two forward passes a step
            keys = chain.from_iterable(chain.from_iterable(rank[first : first + 2] for rank in ranks))
            grouped.append({key.video: key.weight for key in keys if key.weight > 0})
        return grouped

    assert steps(together) == steps([alone])


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        sampler = StepSampler(50, Split(5, 1), seed=seed)
        sampler.set_epoch(epoch)
        return [key.video for batch in sampler for key in batch]

    assert order(0, 1) == order(0, 1)
    assert len({tuple(order(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9


@pytest.mark.parametrize("num_videos", [3, 10, 37])  # fewer than a step, a divisor of what an epoch takes, many
def test_epochs_of_so_many_steps_take_up_where_the_last_one_ended(num_videos: int) -> None:
    split, epochs, steps = Split(4, 2), 5, 5
    sampler = StepSampler(num_videos, split, seed=5, steps=steps)
    batches: list[list[Key]] = []
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        batches += sampler
        assert len(batches) == (epoch + 1) * len(sampler) == (epoch + 1) * steps * split.accumulation
    keys = [key for batch in batches for key in batch]
    assert {key.weight for key in keys} == {1 / 8}
    throughs = [keys[first : first + num_videos] for first in range(0, len(keys), num_videos)]
    for number, through in enumerate(throughs):
        assert {key.epoch for key in through} == {number}
        assert len({key.video for key in through}) == len(through)
    whole = [tuple(key.video for key in through) for through in throughs if len(through) == num_videos]
    assert len(set(whole)) > 1


def test_evaluation_keeps_the_order_of_the_files() -> None:
    sampler = StepSampler(5, Split(2, 1), shuffle=False)
    sampler.set_epoch(3)
    assert [[key.video for key in batch] for batch in sampler] == [[0, 1], [2, 3], [4]]
    assert {key.epoch for batch in sampler for key in batch} == {0}


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("given", [0, 3, 7])
@pytest.mark.parametrize("steps", [None, 11])
def test_a_loader_goes_on_where_another_was_stopped(num_workers: int, given: int, steps: int | None) -> None:
    whole = _loader(num_workers, steps)
    whole.keys.set_epoch(2)
    expected = list(whole)

    stopped = _loader(num_workers, steps)
    stopped.keys.set_epoch(2)
    batches = iter(stopped)
    for _ in range(given):
        next(batches)
    state = stopped.state_dict()
    resumed = _loader(num_workers, steps)
    resumed.load_state_dict(state)
    assert len(resumed) == len(expected)
    assert list(resumed) == expected[given:]
    assert resumed.state_dict()["batches"] == len(expected)
    resumed.keys.set_epoch(3)
    assert len(list(resumed)) == len(expected)


def test_a_finished_epoch_leaves_nothing_to_skip() -> None:
    loader = _loader(0)
    list(loader)
    fresh = _loader(0)
    fresh.load_state_dict(loader.state_dict())
    fresh.keys.set_epoch(1)
    assert len(list(fresh)) == len(fresh)


class _Echo(Dataset[tuple[int, int]]):
    def __len__(self) -> int:
        return 37

    def __getitem__(self, key: Key) -> tuple[int, int]:
        return key.epoch, key.video


def _sampler(
    num_videos: int, split: Split, world_size: int = 1, rank: int = 0, steps: int | None = None
) -> StepSampler:
    return StepSampler(num_videos, split, world_size=world_size, rank=rank, seed=5, steps=steps)


def _loader(num_workers: int, steps: int | None = None) -> ResumableLoader:
    return ResumableLoader(
        _Echo(),
        batch_sampler=StepSampler(37, Split(5, 1), seed=1, steps=steps),
        collate_fn=list,
        num_workers=num_workers,
    )
