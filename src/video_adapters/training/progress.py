"""What a run says on the terminal."""

import sys
import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.table import Table
from rich.text import Text

from video_adapters.data.dataset import Batch

QUIET_SECONDS = 60  # longest silence of a run whose output goes to a file


def interactive() -> bool:
    """Whether somebody watches: a progress bar makes no sense in a file."""
    return sys.stdout.isatty()


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
            f"{_epoch(trainer)}  batch {done}/{total}  {_figures(trainer)}  epoch ends in {left / 60:.0f} min",
            flush=True,
        )

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.is_global_zero:
            self._last = time.monotonic()
            print(f"{_epoch(trainer)}  {_figures(trainer)}  {self._last - self._epoch_start:.1f} s", flush=True)


def summary(title: str, rows: dict[str, str]) -> None:
    """Prints a two-column table."""
    table = Table(title=title, show_header=False, title_justify="left", title_style="bold")
    for name, value in rows.items():
        table.add_row(name, Text(value))  # names of files may look like markup
    width = None if interactive() else 160
    Console(width=width, soft_wrap=True).print(table)


def _epoch(trainer: L.Trainer) -> str:
    of = f"/{trainer.max_epochs}" if trainer.max_epochs and trainer.max_epochs > 0 else ""
    return f"epoch {trainer.current_epoch + 1}{of}  step {trainer.global_step}"


def _figures(trainer: L.Trainer) -> str:
    known = trainer.callback_metrics | trainer.logged_metrics
    parts = [f"loss {float(known['train/loss']):.3f}"] if "train/loss" in known else []
    if "val/top1" in known:
        parts.append(f"val top-1 {float(known['val/top1']):.1%}")
    if "speed/clips_per_s" in known:
        parts.append(f"{float(known['speed/clips_per_s']):.0f} clips/s")
    return "  ".join(parts)
