"""Distribution of videos over batches and processes, exact for any number of videos, processes, accumulations."""

from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass, field
from itertools import islice
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler

from video_adapters.commands.wording import counted


class Key(NamedTuple):
    """One video's place in the order; with the seed, all that its clip depends on."""

    video: int  # index in the data set
    epoch: int  # how often the data set was gone through before
    weight: float  # share of the optimizer step's loss; 0 for a repeat that only fills a batch up


class Split(NamedTuple):
    """How one optimizer step's clips are spread."""

    clips: int  # per device and forward pass
    accumulation: int  # forward passes per step


def split_step(per_step: int, per_device: int, devices: int) -> Split:
    """The fewest forward passes that give `per_step` clips from `devices` devices, none above `per_device` clips; a
    ValueError where a step's clips do not divide over the devices.
    """
    if per_step % devices:
        fits = [n for n in range(1, devices + 1) if per_step % n == 0]
        raise ValueError(
            f"batch.per_step={per_step} clips do not divide over {counted(devices, 'device')}; "
            f"take {' or '.join(map(str, fits[-3:]))} devices or a multiple of {devices} clips"
        )
    share = per_step // devices
    accumulation = next(n for n in range(1, share + 1) if share % n == 0 and share // n <= per_device)
    return Split(share // accumulation, accumulation)


@dataclass(eq=False)
class StepSampler(Sampler[list[Key]]):
    """Batches of keys for one process, shuffled anew each epoch, every video exactly once an epoch, or by `draws`.

    Videos are dealt to optimizer steps first, then to processes, so the step's content does not depend on how many
    processes share it. A last step that is short is filled up with repeats of weight 0, just enough that every process
    has the same number of batches; weights are 1 / (videos in the step), so a step's loss is their mean whatever
    the batches' sizes. With a number of steps, the data set is gone through again and again, in a new order each time,
    and an epoch takes up where the last one ended.
    """

    num_videos: int  # of the data set
    split: Split
    _: KW_ONLY
    world_size: int = 1  # processes
    rank: int = 0  # which of them this is
    seed: int = 0  # of the order
    shuffle: bool = True  # false for evaluation: the data set's own order, epoch 0
    steps: int | None = None  # optimizer steps an epoch; None: an epoch is once through the data set
    draws: Callable[[int, int], Iterator[Key]] | None = None  # keys from the n-th on, in the place of its own order
    epoch: int = field(default=0, init=False)
    skip: int = field(default=0, init=False)  # batches given before an interruption, left out of the next iteration

    @property
    def sampler(self) -> "StepSampler":
        """Itself: where Lightning looks for the `set_epoch` that it calls before each epoch."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Chooses the order. What was to be skipped belonged to another epoch, if that one was."""
        epoch = epoch if self.shuffle else 0
        if epoch != self.epoch:
            self.epoch, self.skip = epoch, 0

    @property
    def per_step(self) -> int:
        """Videos in a full optimizer step, over all processes."""
        return self.split.clips * self.split.accumulation * self.world_size

    def __len__(self) -> int:
        if self.steps is not None:
            return self.steps * self.split.accumulation
        full, rest = divmod(self.num_videos, self.per_step)
        return full * self.split.accumulation + -(-rest // (self.world_size * self.split.clips))

    def __iter__(self) -> Iterator[list[Key]]:
        skip, self.skip = self.skip, 0  # at the first batch: a DataLoader may ask for iterators that it never uses
        yield from islice(self._batches(), skip, None)

    def _batches(self) -> Iterator[list[Key]]:
        for step in self._step_keys():
            filler = step[0]._replace(weight=0.0)
            mine = (step + [filler] * (-len(step) % self.world_size))[self.rank :: self.world_size]
            for first in range(0, len(mine), self.split.clips):
                yield mine[first : first + self.split.clips]

    def _step_keys(self) -> Iterator[list[Key]]:
        """The keys of each optimizer step of the epoch, over all processes."""
        length = self.num_videos if self.steps is None else self.steps * self.per_step
        stream = (self.draws or self._stream)(self.epoch * length, (self.epoch + 1) * length)
        while keys := list(islice(stream, self.per_step)):
            yield [key._replace(weight=1 / len(keys)) for key in keys]

    def _stream(self, first: int, end: int) -> Iterator[Key]:
        """Keys from the `first` to before the `end`, counted from the run's start, not yet weighted."""
        for through in range(first // self.num_videos, -(-end // self.num_videos)):
            before = through * self.num_videos
            order = self._order(through)[max(first - before, 0) : end - before]
            yield from (Key(int(video), through, 0.0) for video in order)

    def _order(self, through: int) -> np.ndarray:
        """The order in which the data set is gone through for the n-th time."""
        if not self.shuffle:
            return np.arange(self.num_videos)
        return np.random.default_rng([self.seed, through]).permutation(self.num_videos)
