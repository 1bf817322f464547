"""The state that a run goes on from, and how a signal ends one."""

import logging
import signal
from pathlib import Path
from typing import Any

import lightning as L
import torch
import torch.distributed as dist
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from video_adapters.commands.lost_batch import why_no_batch
from video_adapters.commands.signals import NUMBERS, Interrupted
from video_adapters.data.dataset import Batch
from video_adapters.trust.checkpoint_file import read

log = logging.getLogger(__name__)


class LastCheckpoint(Callback):
    """Keeps `last.ckpt`, from which a run goes on: every N optimizer steps, after each epoch, and when asked to stop.

    A signal takes effect when the running optimizer step is done. Where none is running, while the next batch is waited
    for or in a validation, it takes effect at once, and so does a second one; it is the same when a loading process
    dies. The state is saved between two steps of an epoch and after its validation, else the last one counts.
    """

    def __init__(self, path: str, every_n_steps: int) -> None:
        if every_n_steps < 1:
            raise ValueError(f"callbacks.last.every_n_steps is {every_n_steps}, expected at least 1")
        self.path = Path(path)
        self.every_n_steps = every_n_steps
        self._signal = 0  # received by this process
        self._agreed = 0  # received by any, and the state saved
        self._failure: RuntimeError | None = None  # of a loading process
        self._saved = -1  # steps of which the state is saved
        self._computing = False  # on a batch, up to its figures in the log
        self._idle = False  # no step is running, nor on another process
        self._before: dict[int, Any] = {}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._saved, self._computing, self._idle = trainer.global_step or -1, False, True
        for number in NUMBERS:
            self._before[number] = signal.signal(number, self._note)
        loader: Any = trainer.train_dataloader
        loader.before_batch = lambda: self._wait(trainer, pl_module)

    def _wait(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Before a batch is waited for, and the figures of the last one are in the log."""
        self._computing = False
        self._idle = trainer.world_size == 1 and pl_module.step_finished()
        if self._failure is not None:
            raise self._failure
        self._stop()

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Batch, batch_idx: int) -> None:
        if signal.getsignal(signal.SIGCHLD) != self._note_child:  # torch has set its own with the first batch
            self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, self._note_child)
        self._computing, self._idle = True, False

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Batch, batch_idx: int) -> None:
        if not pl_module.step_finished() or trainer.fit_loop.epoch_loop._num_ready_batches_reached():
            return
        self._agreed = self._agree_on_signal(trainer)
        if self._agreed or trainer.global_step % self.every_n_steps == 0:
            self._save(trainer)

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._computing, self._idle = False, True

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._computing, self._idle = True, False

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._agreed = self._agree_on_signal(trainer)
        self._save(trainer)

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
        """Saves what can be saved when a signal, or a loading process, ends the run between two steps."""
        between = self._idle and trainer.training and trainer.global_step > max(self._saved, 0)
        self._computing = True  # other loading processes may die meanwhile
        try:
            if between and (isinstance(exception, Interrupted) or why_no_batch(exception)):
                self._save(trainer)
            if isinstance(exception, Interrupted) and self._saved == trainer.global_step:
                exception.path = self.path
        except OSError as error:
            if isinstance(exception, Interrupted):
                exception.unsaved = error
            raise
        finally:
            self._restore_handlers()

    def _save(self, trainer: L.Trainer) -> None:
        trainer.save_checkpoint(self.path, weights_only=False)
        self._saved = trainer.global_step

    def _stop(self) -> None:
        """Ends the run after the state was saved, when the step's figures have been logged too."""
        if self._agreed == signal.SIGCHLD:
            raise ValueError("a loading process of another process of this run ended; what became of it stands above")
        if self._agreed:
            raise Interrupted(self._agreed, self.path)

    def _note(self, number: int, _: Any) -> None:
        if self._signal or self._idle:
            raise Interrupted(number)
        self._signal = number
        log.warning("%s: stopping after this step, saving first (again: at once)", signal.Signals(number).name)

    def _note_child(self, number: int, frame: Any) -> None:
        """Torch's handler raises where a loading process has died: in the midst of a batch, that can wait."""
        try:
            if callable(handler := self._before.get(number)):
                handler(number, frame)
        except RuntimeError as error:
            if not self._computing:
                raise
            self._failure, self._signal = error, self._signal or number

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
        name = Path(path).name
        return str(Path(folder) / name) if name.strip(".") else ""

    state["dirpath"] = folder
    state["best_k_models"] = {moved(path): score for path, score in state.get("best_k_models", {}).items()}
    for name in ("best_model_path", "kth_best_model_path", "last_model_path"):
        state[name] = moved(state.get(name, ""))
