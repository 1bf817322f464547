"""What happens around training steps: saving, stopping, counting, timing."""

import logging
import math
import random
import resource
import signal
import time
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
import torch.distributed as dist
from lightning.pytorch.callbacks import Callback

from video_adapters.data.dataset import Batch

log = logging.getLogger(__name__)


class Interrupted(Exception):
    """A signal ended the run after its state was saved; `code` is the exit status that the signal calls for."""

    def __init__(self, number: int, path: Path) -> None:
        super().__init__(f"{signal.Signals(number).name}: state saved in {path}")
        self.path = path
        self.code = 128 + number


class LastCheckpoint(Callback):
    """Keeps `last.ckpt`, from which a run goes on: every N optimizer steps, after each epoch, and when asked to stop.

    SIGTERM and Ctrl-C take effect at the next optimizer step; after the last step of an epoch, that is after its
    validation, from where alone the run can go on exactly. A second Ctrl-C stops at once.

    Args:
        path: the file.
        every_n_steps: optimizer steps between saves.
    """

    def __init__(self, path: str, every_n_steps: int) -> None:
        if every_n_steps < 1:
            raise ValueError(f"callbacks.last.every_n_steps is {every_n_steps}, expected at least 1")
        self.path = Path(path)
        self.every_n_steps = every_n_steps
        self._signal = 0  # received by this process
        self._agreed = 0  # received by any, and the state saved
        self._before: dict[int, Any] = {}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._note)

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._stop()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        if not pl_module.step_finished() or trainer.fit_loop.epoch_loop._num_ready_batches_reached():
            return
        self._agreed = self._agree_on_signal(trainer)
        if self._agreed or trainer.global_step % self.every_n_steps == 0:
            trainer.save_checkpoint(self.path, weights_only=False)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._agreed = self._agree_on_signal(trainer)
        trainer.save_checkpoint(self.path, weights_only=False)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._restore_handlers()
        self._stop()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        self._restore_handlers()

    def _stop(self) -> None:
        """Ends the run one hook after the state was saved, when the step's figures have been logged too."""
        if self._agreed:
            raise Interrupted(self._agreed, self.path)

    def _note(self, number: int, _: Any) -> None:
        if self._signal and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._signal = number
        log.warning("%s: stopping after this step, saving first (Ctrl-C again: at once)", signal.Signals(number).name)

    def _agree_on_signal(self, trainer: L.Trainer) -> int:
        """The signal that any process has received: all must stop at the same step."""
        if trainer.world_size == 1:
            return self._signal
        number = torch.tensor(self._signal, device=trainer.strategy.root_device)
        dist.all_reduce(number, op=dist.ReduceOp.MAX)
        return int(number)

    def _restore_handlers(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}


class RandomState(Callback):
    """Gives every process a random state of its own, saves them all, and restores them when a run goes on.

    Dropout and drop path draw from it; the clips do not (they depend on seed, epoch and index alone).

    Args:
        seed: of the first process; the others count up from it.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._loaded: list[dict[str, Any]] = []

    def state_dict(self) -> dict[str, Any]:
        return {"states": _gather(_random_state())}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._loaded = state_dict["states"]

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        L.seed_everything(self.seed + trainer.global_rank, verbose=False)

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if not self._loaded:
            return
        if len(self._loaded) == trainer.world_size:
            _set_random_state(self._loaded[trainer.global_rank])
        else:
            log.warning(
                "the run was saved by %d processes and goes on with %d: dropout draws anew",
                len(self._loaded), trainer.world_size,
            )  # fmt: skip
        self._loaded = []


class BrokenVideos(Callback):
    """Counts and lists the training videos that could not be read, and stops the run when there are too many.

    Args:
        path: the list, written when there is something to list.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.broken: dict[str, None] = {}  # a set that keeps order

    def state_dict(self) -> dict[str, Any]:
        return {"broken": list(self.broken)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.broken = dict.fromkeys(state_dict["broken"])

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Batch, batch_idx: int) -> None:
        new = [note for note in batch.broken if note not in self.broken]
        for note in new:
            log.warning("replaced by another video: %s", note)
        self.broken.update(dict.fromkeys(new))
        total, share = len(trainer.datamodule.videos("train")), trainer.datamodule.max_broken
        if new and len(self.broken) > max(1, math.floor(total * share)):
            self._write(self.broken)
            raise ValueError(
                f"{len(self.broken)} of {total} training videos could not be read, more than data.max_broken={share:g} "
                f"allows; they are listed in {self.path}, the last is {new[-1]}"
            )

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        everywhere = dict.fromkeys(note for notes in _gather(list(self.broken)) for note in notes)
        pl_module.log("train/broken_videos", float(len(everywhere)), rank_zero_only=True)
        if everywhere and trainer.is_global_zero:
            self._write(everywhere)

    def _write(self, notes: dict[str, None]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text("".join(f"{note}\n" for note in notes), encoding="utf-8")


class UnreadTests(Callback):
    """Names the evaluated videos that could not be read and so count as wrong.

    Args:
        path: the list, written when there is something to list.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self._notes: list[str] = []

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._notes = []

    def on_validation_batch_end(
        self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Batch, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        self._notes += batch.broken

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        notes = sorted({note for notes in _gather(self._notes) for note in notes})
        if not notes or not trainer.is_global_zero:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text("".join(f"{note}\n" for note in notes), encoding="utf-8")
        log.warning("%d videos could not be read and count as wrong, listed in %s", len(notes), self.path)

    on_test_start = on_validation_start
    on_test_batch_end = on_validation_batch_end
    on_test_end = on_validation_end


class Speed(Callback):
    """Logs clips per second over all devices, the share of time spent waiting for data, and the peak of memory.

    Figures are means over the optimizer steps since they were last logged; `speed/seconds` is the time spent so
    far, by the processes that this one goes on from too.
    """

    def __init__(self) -> None:
        self._seconds = 0.0  # spent training, before the span that is being measured
        self._started = self._idle_since = time.perf_counter()
        self._waited, self._clips = 0.0, 0

    def state_dict(self) -> dict[str, float]:
        return {"seconds": self._seconds + time.perf_counter() - self._started}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        self._seconds = state_dict["seconds"]

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._restart()

    on_train_epoch_start = on_train_start  # a run that goes on in mid-epoch comes by the first only

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._waited += time.perf_counter() - self._idle_since

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Batch, batch_idx: int) -> None:
        self._clips += len(batch.labels)
        self._idle_since = time.perf_counter()
        if not pl_module.step_finished() or trainer.global_step % trainer.log_every_n_steps:
            return
        elapsed = self._idle_since - self._started
        pl_module.log("speed/clips_per_s", self._clips * trainer.world_size / elapsed, rank_zero_only=True)
        pl_module.log("speed/data_wait", self._waited / elapsed, rank_zero_only=True)
        pl_module.log("speed/seconds", self._seconds + elapsed, rank_zero_only=True)
        pl_module.log("speed/peak_memory_gib", peak_memory() / 2**30, rank_zero_only=True)
        self._seconds += elapsed
        self._restart()

    def _restart(self) -> None:
        self._started = self._idle_since = time.perf_counter()
        self._waited, self._clips = 0.0, 0


def peak_memory() -> int:
    """Bytes reserved on the GPU at their peak or, without one, this process's peak resident size."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_reserved()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts it in KiB


def _gather(mine: Any) -> list[Any]:
    """Every process's object, on every process."""
    if not (dist.is_available() and dist.is_initialized()):
        return [mine]
    everyone: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, mine)
    return everyone


def _random_state() -> dict[str, Any]:
    kind, keys, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002  (the global one is what is saved)
    numpy = [
        str(kind),
        torch.from_numpy(np.asarray(keys).astype(np.int64)),
        int(position),
        int(has_gauss),
        float(cached),
    ]
    cuda = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    return {"torch": torch.get_rng_state(), "cuda": cuda, "numpy": numpy, "python": random.getstate()}


def _set_random_state(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["torch"].cpu())
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())
    kind, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, cached))  # noqa: NPY002
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
