"""Checkpoints written so that a kill leaves the old one or the new one."""

import os
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from video_adapters.commands.atomic import replacing
from video_adapters.trust.checkpoint_file import LAST, PREVIOUS


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place and moves it there; of a run's state, the one saved before is kept too.

    A kill leaves the old one or the new one, and a state that is found damaged has one before it to go on from.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        path = Path(path)
        with replacing(path) as part:
            with part.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            if path.name == LAST and path.exists():
                os.replace(path, path.with_name(PREVIOUS))
