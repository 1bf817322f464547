"""A head that is solved already, in the place of training: an ordinary run's folder comes of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from torch import Tensor

from video_adapters.training.callbacks.last_checkpoint import LastCheckpoint

PROBED = ("probe", "head", "model.depth", "model.pool")
"""Keys that a probe decides, or that its run no longer has."""


class Solution(Callback):
    """Keeps Lightning from training, and saves what `fit` would have saved.

    A run that goes on from it by `resume` trains the head from there.

    Args:
        head: its parameters and statistics, by name.
        scores: of validation, as val/top1.
        note: to be called once the run has begun, with its loggers.
        choices: of config groups that the solution makes, such as its head.
    """

    def __init__(
        self,
        head: dict[str, Tensor],
        scores: dict[str, float],
        note: Callable[[list[Any]], None],
        choices: dict[str, str],
    ) -> None:
        self.head, self.scores, self.note, self.choices = head, scores, note, choices

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        trainer.should_stop = True  # ahead of the first batch; optimizer and loaders are there, and in the saved state

    def keep(self, trainer: L.Trainer) -> dict[str, float]:
        """Logs the scores and saves the checkpoints of the run, which has begun -> the scores."""
        for logger in trainer.loggers:
            logger.log_metrics(self.scores, step=0)
        self.note(trainer.loggers)
        keep_as_best(trainer, self.scores[monitor_of(trainer)])
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, LastCheckpoint):
                trainer.save_checkpoint(callback.path, weights_only=False)
        return self.scores


def monitor_of(trainer: L.Trainer) -> str:
    """The figure of validation that the best checkpoint is chosen by, such as val/top1."""
    keeper = trainer.checkpoint_callback
    return (keeper.monitor if isinstance(keeper, ModelCheckpoint) else None) or "val/top1"


def keep_as_best(trainer: L.Trainer, figure: float) -> None:
    """Saves the weights as those of the best validation, with the figure that it is judged by."""
    keeper = trainer.checkpoint_callback
    if isinstance(keeper, ModelCheckpoint):
        path = str(Path(str(keeper.dirpath)) / f"{keeper.filename}{keeper.FILE_EXTENSION}")
        trainer.save_checkpoint(path, weights_only=True)
        keeper.best_model_path = keeper.kth_best_model_path = path
        score = torch.tensor(figure)
        keeper.best_model_score = keeper.kth_value = keeper.current_score = score
        keeper.best_k_models = {path: score}
