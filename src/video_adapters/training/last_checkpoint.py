"""The state that a run goes on from, and how a signal ends one."""

import logging
import signal
from pathlib import Path
from typing import Any

import lightning as L
import torch
import torch.distributed as dist
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from video_adapters.data.dataset import Batch
from video_adapters.training.checkpoint import read

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

    def on_load_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Tells the keeper of the best checkpoint where the folder lies now; it would forget the best otherwise.

        The patience of early stopping is that of the config, which may have changed, not the one that was saved.
        """
        for stopper in trainer.early_stopping_callbacks:
            checkpoint["callbacks"].get(stopper.state_key, {})["patience"] = stopper.patience
        keeper = trainer.checkpoint_callback
        if isinstance(keeper, ModelCheckpoint):
            state = checkpoint["callbacks"].get(keeper.state_key, {})
            _move(state, str(keeper.dirpath))
            if not _is_there(state.get("best_model_path")):
                del checkpoint["callbacks"][keeper.state_key]

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


def _is_there(best: str | None) -> bool:
    """Whether the best checkpoint that a state knows of, if it does, can be read; says what follows where it cannot."""
    if not best:
        return True
    try:
        read(best)
    except ValueError as error:
        log.warning("%s; it is forgotten: the best is chosen from the epochs that are still to come", error)
        return False
    return True


def _move(state: dict[str, Any], folder: str) -> None:
    """Lets all paths of a ModelCheckpoint's state lie in a folder: what they name is deleted when better comes."""

    def moved(path: str) -> str:
        return str(Path(folder) / Path(path).name) if path else ""

    if "dirpath" not in state:
        return
    state["dirpath"] = folder
    state["best_k_models"] = {moved(path): score for path, score in state.get("best_k_models", {}).items()}
    for name in ("best_model_path", "kth_best_model_path", "last_model_path"):
        state[name] = moved(state.get(name, ""))
