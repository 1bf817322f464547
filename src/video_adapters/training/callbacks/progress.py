"""Lines and bars of a run on the terminal."""

import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback, RichProgressBar

from video_adapters.commands.intervals import percent
from video_adapters.commands.terminal import QUIET_SECONDS, interactive
from video_adapters.data.dataset import Batch


class EpochLines(Callback):
    """A line per epoch and, where there is no progress bar, one a minute in between."""

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._last = self._epoch_start = time.monotonic()

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._epoch_start = time.monotonic()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        now = time.monotonic()
        if interactive() or now - self._last < QUIET_SECONDS or not trainer.is_global_zero:
            return
        self._last = now
        done, total = batch_idx + 1, trainer.num_training_batches
        left = (now - self._epoch_start) / done * (total - done)
        print(
            f"{_epoch(trainer)}  batch {done}/{total}  {_in_line(trainer)}  epoch ends in {left / 60:.0f} min",
            flush=True,
        )

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.is_global_zero:
            self._last = time.monotonic()
            print(f"{_epoch(trainer)}  {_in_line(trainer)}  {self._last - self._epoch_start:.1f} s", flush=True)


class Bar(RichProgressBar):
    """Lightning's bar, with epochs counted as in the lines, from 1, and figures in the lines' words and units."""

    def _get_train_description(self, current_epoch: int) -> str:
        return _of_all(self.trainer, current_epoch).capitalize().ljust(len(self.validation_description))

    def get_metrics(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, Any]:
        return _figures(trainer)


def _epoch(trainer: L.Trainer) -> str:
    return f"{_of_all(trainer, trainer.current_epoch)}  step {trainer.global_step}"


def _of_all(trainer: L.Trainer, epoch: int) -> str:
    """An epoch as people count it, and how many there are where that is metrics."""
    of = f"/{trainer.max_epochs}" if trainer.max_epochs and trainer.max_epochs > 0 else ""
    return f"epoch {epoch + 1}{of}"


def _in_line(trainer: L.Trainer) -> str:
    """The figures, and how fast the run is (of which the bar says enough by itself)."""
    parts = [f"{name} {value}" for name, value in _figures(trainer).items()]
    if "speed/clips_per_s" in trainer.callback_metrics:
        parts.append(f"{float(trainer.callback_metrics['speed/clips_per_s']):.0f} clips/s")
    return "  ".join(parts)


def _figures(trainer: L.Trainer) -> dict[str, str]:
    """The newest loss of training and accuracy of validation, as far as there are any."""
    metrics = trainer.callback_metrics
    figures = {"loss": f"{float(metrics['train/loss']):.3f}"} if "train/loss" in metrics else {}
    for name, title in {"val/top1": "val top-1", "val/mAP": "val mAP"}.items():
        if name in metrics:
            figures[title] = percent(float(metrics[name]))
    return figures
