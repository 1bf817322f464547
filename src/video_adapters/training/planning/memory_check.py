"""Compares what a plan predicted with what the card says."""

import logging
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from video_adapters.training.optional import optional

log = logging.getLogger(__name__)

TOLERANCE = 0.1
"""Share by which a prediction may be off before that is worth a warning."""


class MemoryCheck(Callback):
    """After the second optimizer step, logs the memory that was predicted and the most that was reserved on this GPU.

    From the second step on the optimizer's state is there, and every step is like it.

    Args:
        predicted: bytes; None where nothing was planned, and nothing is compared.
    """

    def __init__(self, predicted: int | None = None) -> None:
        self.predicted = predicted

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.predicted is None or trainer.global_step < 2 or not torch.cuda.is_available():
            return
        predicted, self.predicted = self.predicted, None  # once
        with optional("memory/*"):
            measured = torch.cuda.max_memory_reserved()
            off = measured / predicted - 1
            pl_module.log("memory/predicted_gib", predicted / 2**30, rank_zero_only=True)
            pl_module.log("memory/reserved_gib", measured / 2**30, rank_zero_only=True)
            log.log(
                logging.WARNING if abs(off) > TOLERANCE else logging.INFO,
                "memory reserved: %.2f GiB predicted, %.2f GiB measured (%+.0f %%)%s",
                predicted / 2**30, measured / 2**30, 100 * off,
                "; please report this with your card's name" if abs(off) > TOLERANCE else "",
            )  # fmt: skip
