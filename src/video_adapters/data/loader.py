"""Loading of batches in processes of their own, resumable in mid-epoch."""

import atexit
import logging
import signal
from collections.abc import Callable, Iterator
from functools import cache
from multiprocessing.process import BaseProcess
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset
from torch.utils.data._utils import signal_handling

from video_adapters.commands.wording import counted
from video_adapters.commands.workers import START, cores
from video_adapters.data.sampler import StepSampler
from video_adapters.data.shared_memory import BATCHES_AHEAD

log = logging.getLogger(__name__)


class Loader(DataLoader[Any]):
    """A DataLoader whose loading processes end with the process that reads from it, whatever they hang in.

    Args:
        dataset: what is loaded.
        num_workers: processes that load.
        timeout: seconds without a batch after which one ends instead of waiting on.
    """

    def __init__(self, dataset: Dataset[Any], *, num_workers: int = 0, timeout: float = 0, **kwargs: Any) -> None:
        super().__init__(
            dataset,
            num_workers=num_workers,
            prefetch_factor=BATCHES_AHEAD if num_workers else None,
            timeout=timeout if num_workers else 0,
            pin_memory=torch.cuda.is_available(),
            multiprocessing_context=START if num_workers else None,
            worker_init_fn=_quiet_worker,
            generator=torch.Generator(),  # its own: loaders must not draw from the random state that dropout uses
            **kwargs,
        )

    def _get_iterator(self) -> Any:
        """Workers that are still there when all is done are killed: they let a first SIGTERM pass, one that hangs in
        foreign code hears none, and a process that asks them to end waits for them for ever."""
        if signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL:
            # torch's handler, which tells of a worker's death, is set but once, and Lightning takes it back after a run
            signal_handling._SIGCHLD_handler_set = False
        iterator = super()._get_iterator()
        for worker in getattr(iterator, "_workers", []):
            worker.terminate = worker.kill
            atexit.register(_kill_at_exit, worker)  # called before multiprocessing's own, which joins without a limit
        return iterator

    def check_worker_number_rationality(self) -> None:
        """Says once, where torch would warn at every loader and again when it starts, that there are fewer cores."""
        _warn_of_few_cores(self.num_workers, cores(None))


class ResumableLoader(Loader):
    """A Loader over a StepSampler that goes on where a checkpoint left it, by the two state methods."""

    def __init__(self, dataset: Dataset[Any], *, batch_sampler: StepSampler, **kwargs: Any) -> None:
        super().__init__(dataset, **kwargs, batch_sampler=batch_sampler)
        self.keys = batch_sampler
        self.before_batch: Callable[[], None] = lambda: None  # what is to be done before a batch is waited for
        self._given = 0

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        self._given = self.keys.skip
        batches = super().__iter__()
        while True:
            self.before_batch()
            batch = next(batches, None)
            if batch is None:
                return
            self._given += 1
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """The epoch, how many of its batches have been given out, and what made the batches."""
        return {"epoch": self.keys.epoch, "batches": self._given, "of": len(self), "layout": self._layout()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on after the batches that `state` says were given out; a finished epoch leaves nothing to skip.

        Raises:
            ValueError: in mid-epoch, when batches are made otherwise now: there is no going on in their middle.
        """
        self.keys.set_epoch(state["epoch"])
        if state["batches"] in (0, state["of"]):
            return
        if state["layout"] != self._layout():
            raise ValueError(
                f"the run was stopped in mid-epoch with {_described(state['layout'])}, and would go on with "
                f"{_described(self._layout())}: resume with the same devices, batch.* and data.balanced, or at the end "
                "of an epoch"
            )
        self.keys.skip = state["batches"]

    def _layout(self) -> list[int]:
        """A step's split, the devices, the videos, the steps of an epoch (0: as many as the videos make); and 1 where
        classes have equal shares."""
        balanced = [] if self.keys.draws is None else [1]  # none in earlier states
        return [*self.keys.split, self.keys.world_size, self.keys.num_videos, self.keys.steps or 0, *balanced]


def _quiet_worker(_: int) -> None:
    """Workers leave Ctrl-C and a first SIGTERM, which may reach the whole process group, to the process that trains."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _: signal.signal(number, signal.SIG_DFL))


def _kill_at_exit(worker: BaseProcess) -> None:
    """Torch, which takes any death of a worker for an accident, raises no error where the process is ending."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    worker.kill()


@cache
def _warn_of_few_cores(num_workers: int, num_cores: int) -> None:
    if num_workers > num_cores:
        log.warning(
            "data.num_workers=%d loading processes share %s: data.num_workers=%d would be as fast",
            num_workers, counted(num_cores, "core"), num_cores,
        )  # fmt: skip


def _described(layout: list[int]) -> str:
    clips, accumulation, devices, videos, steps, *balanced = layout
    epoch = f", {counted(steps, 'step')} an epoch" if steps else ""
    split = f"{counted(devices, 'device')} x {counted(clips, 'clip')} x {accumulation} accumulated"
    return f"{split} over {counted(videos, 'video')}{epoch}{', classes balanced' if balanced else ''}"
