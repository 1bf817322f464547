"""The end of a run whose loss, gradient or weights are no longer finite numbers."""

import logging
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from video_adapters.commands.wording import counted
from video_adapters.model.finite_weights import NotFinite

log = logging.getLogger(__name__)


class Finite(Callback):
    """Ends a run at a step whose loss or gradient is not finite, before anything of it is saved.

    In fp16 such a step is skipped and the scale of the loss is halved: so many in a row are let pass, and named where
    the run ends among them; a run all of whose steps were skipped has learned nothing, and fails.

    What happened is noted on the device, and read where the host waits for the device anyway: on a CPU and in fp16,
    whose scaler waits for the gradient, after each step; elsewhere with the figures that are logged, and ahead of every
    validation and save. All processes have the same loss and gradient, and end at the same step.
    """

    def __init__(self, max_skipped_steps: int) -> None:
        if max_skipped_steps < 0:
            raise ValueError(f"callbacks.finite.max_skipped_steps is {max_skipped_steps}, expected at least 0")
        self.max_skipped_steps = max_skipped_steps
        self._not_finite = torch.zeros(5)  # steps (fp16: in a row); of the first: number, figures, rate

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if not pl_module.step_finished():
            return
        figures = torch.stack([pl_module.step_loss, pl_module.gradient_norm])
        self._note(figures, trainer.global_step, pl_module.rate, skips=_scaler(trainer) is not None)
        if figures.is_cpu or _scaler(trainer) or trainer.global_step % trainer.log_every_n_steps == 0:
            self._check(trainer)

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: Any, checkpoint: Any = None) -> None:
        self._check(trainer)

    on_validation_start = on_train_epoch_end = on_save_checkpoint

    def on_train_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        self._check(trainer)
        if skipped := int(self._not_finite[0]):
            if skipped == trainer.global_step:
                raise NotFinite(self._described(trainer, "this and all other steps of the run were skipped"))
            if trainer.is_global_zero:
                how = f"it was skipped, as were all up to the run's end, {counted(skipped, 'step')} in a row"
                log.warning("%s", self._described(trainer, how))

    def _note(self, figures: Tensor, step: int, rate: float, skips: bool) -> None:
        before, finite = self._not_finite.to(figures.device), figures.isfinite().all()
        one, at, with_rate = (torch.full_like(figures[:1], value) for value in (1, step, rate))  # no copy to wait for
        newest = torch.cat([one, at, figures, with_rate])
        following = torch.where(before[0] > 0, torch.cat([before[:1] + 1, before[1:]]), newest)
        self._not_finite = torch.where(finite, torch.zeros_like(before) if skips else before, following)

    def _check(self, trainer: L.Trainer) -> None:
        """Raises: NotFinite, where there were more such steps than may be."""
        number, skips = int(self._not_finite[0]), _scaler(trainer) is not None
        if number > (self.max_skipped_steps if skips else 0):
            most = f"more than callbacks.finite.max_skipped_steps={self.max_skipped_steps}"
            skipped = f"this and the next steps were skipped, {number} in a row, {most}" if skips else ""
            raise NotFinite(self._described(trainer, skipped))

    def _described(self, trainer: Any, skipped: str) -> str:
        _, step, loss, norm, rate = self._not_finite.tolist()
        return (
            f"step {step:.0f} has the loss {loss:.4g} and a gradient of the norm {norm:.4g}, in precision "
            f"{trainer.precision} at a rate of {rate:.3g}{skipped and f'; {skipped}'}. "
            f"{suggestion(str(trainer.precision))}; checkpoints that were saved before are as they were"
        )


def suggestion(precision: str) -> str:
    """What may help a run that came to numbers that are not finite."""
    wider = {
        "16-mixed": ", or trainer.precision=bf16-mixed or 32-true, which reach further",
        "bf16-mixed": ", or trainer.precision=32-true, which is more exact",
    }
    return f"Train with a smaller optim.lr, or trainer.gradient_clip_val=1{wider.get(precision, '')}"


def _scaler(trainer: L.Trainer) -> Any:
    """The scaler of an fp16 run's loss, which skips steps; None in other precisions."""
    return getattr(trainer.precision_plugin, "scaler", None)
