"""Videos that cannot be read: counted, listed, bounded."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from video_adapters.commands.atomic import write_text
from video_adapters.commands.errors import SharedError
from video_adapters.commands.wording import counted
from video_adapters.data.dataset import Batch
from video_adapters.training.processes import gather

log = logging.getLogger(__name__)


class BrokenVideos(Callback):
    """Counts and lists (in `path`) the training videos that could not be read; too many of them stop the run."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.broken: dict[str, None] = {}  # a set that keeps order

    def state_dict(self) -> dict[str, Any]:
        return {"broken": list(self.broken)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.broken = dict.fromkeys(state_dict["broken"])

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Batch, batch_idx: int) -> None:
        for note in batch.broken:
            if note not in self.broken:
                log.warning("replaced by another video: %s", note)
                self.broken[note] = None
        interval = 1 if trainer.world_size == 1 else trainer.log_every_n_steps  # to ask others is to wait for the card
        if pl_module.step_finished() and trainer.global_step % interval == 0:
            self._check(trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._check(trainer)
        self._gather(trainer)
        pl_module.log("train/broken_videos", float(len(self.broken)), rank_zero_only=True)

    def _check(self, trainer: Any) -> None:
        """Stops all processes at once: one that stops alone leaves the others waiting for it."""
        total, share = len(trainer.datamodule.videos("train")), trainer.datamodule.max_broken
        if sum(gather(len(self.broken))) <= total * share:
            return
        self._gather(trainer)  # the same video may have been met by several
        if len(self.broken) > total * share:
            raise SharedError(
                f"{len(self.broken)} of {total} training videos could not be read, more than data.max_broken={share:g} "
                f"allows; they are listed in {self.path}, the last is {list(self.broken)[-1]}"
            )

    def _gather(self, trainer: L.Trainer) -> None:
        """Makes every process know all that any has met."""
        self.broken = dict.fromkeys(note for notes in gather(list(self.broken)) for note in notes)
        if self.broken and trainer.is_global_zero:
            _write(self.path, self.broken)


class UnreadTests(Callback):
    """Lists (in `path`) the evaluated videos that could not be read and count as wrong; that none could is an error."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self._notes: list[str] = []
        self._read = 0  # videos

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._notes, self._read = [], 0
        if trainer.is_global_zero:
            self.path.unlink(missing_ok=True)

    def on_validation_batch_end(
        self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Batch, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        self._notes += batch.broken
        self._read += int((batch.readable & (batch.weights > 0)).sum())

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        told = gather((self._notes, self._read))
        notes = sorted({note for notes, _ in told for note in notes})
        if notes and trainer.is_global_zero:
            _write(self.path, notes)
            log.warning(
                "%s could not be read and count as wrong, listed in %s", counted(len(notes), "video"), self.path
            )
        if notes and not sum(read for _, read in told):
            raise ValueError(
                f"none of the {counted(len(notes), 'video')} to be scored could be read, such as {notes[0]}; all are "
                f"listed in {self.path}. Put them back, or say where they are by data.root=PATH"
            )

    on_test_start = on_validation_start
    on_test_batch_end = on_validation_batch_end
    on_test_end = on_validation_end


def _write(path: Path, notes: Iterable[str]) -> None:
    write_text(path, "".join(f"{note}\n" for note in notes), errors="surrogateescape")
