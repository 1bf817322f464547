"""Videos whose frames change their size, resized to the first one's: said once, and counted."""

import logging
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from video_adapters.commands.wording import counted
from video_adapters.data.dataset import Batch
from video_adapters.training.processes import gather

log = logging.getLogger(__name__)


class ResizedVideos(Callback):
    """Says when the first such video is met, and how many there were in the end."""

    def __init__(self) -> None:
        self.paths: set[str] = set()  # in no checkpoint: half a million crops of a tracker would be 50 MB of each

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Batch, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        if batch.resized and not self.paths:
            log.warning(
                "frames of another size than their video's first are resized to it, first in %s", batch.resized[0]
            )
        self.paths.update(batch.resized)

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.paths = {path for paths in gather(sorted(self.paths)) for path in paths}
        if self.paths and trainer.is_global_zero:
            log.warning(
                "%s had frames of another size than the first, which were resized to it; data.strict=true "
                "would take them for broken", counted(len(self.paths), "video"),
            )  # fmt: skip

    on_validation_batch_end = on_test_batch_end = on_train_batch_end
    on_test_end = on_fit_end
