"""The beginning of a run: accepted, announced, and scored ahead of the first step where its head knows the classes."""

import logging
from collections.abc import Callable

import lightning as L
from omegaconf import DictConfig

from video_adapters.data.datamodule import VideoData
from video_adapters.model.heads.class_names import NamesHead
from video_adapters.training.module import ActionModule
from video_adapters.training.solution import keep_as_best, monitor_of

log = logging.getLogger(__name__)


def has_start(cfg: DictConfig, module: ActionModule) -> bool:
    """Whether a new run's weights are worth a score as they are: they come from a checkpoint or the names of classes,
    or nothing is trained."""
    return bool(cfg.init_from) or isinstance(module.classifier.head, NamesHead) or cfg.trainer.max_epochs == 0


class Beginning(L.Callback):
    """Calls something once, when training starts: everything was accepted then, the state that was loaded too.

    Args:
        begin: is called.
        validates: whether the weights are scored before the first step, and are the best so far: adapters that begin
            from a probe's head fall below it for some 50 steps, and may never come back to it. Early stopping, which
            asks whether a training still gets better, does not count them.
    """

    def __init__(self, begin: Callable[[L.Trainer], None], validates: bool) -> None:
        self._begin: Callable[[L.Trainer], None] | None = begin
        self._validates = validates
        self._scores: dict[str, float] = {}

    def validate(self, trainer: L.Trainer, module: ActionModule, data: VideoData) -> None:
        """Scores the weights that training starts from, if they are to be."""
        if self._validates and trainer.limit_val_batches:
            log.info("validating the weights that the run starts from")
            trainer.validate(module, datamodule=data, verbose=False)
            self._scores = {name: float(value) for name, value in trainer.callback_metrics.items()}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.begin(trainer)

    def begin(self, trainer: L.Trainer) -> None:
        """To be called after fitting too, where there was nothing left to train."""
        if self._begin is None:
            return
        begin, self._begin = self._begin, None
        begin(trainer)
        if self._scores:
            for logger in trainer.loggers:
                logger.log_metrics(self._scores, step=0)
            keep_as_best(trainer, self._scores[monitor_of(trainer)])
