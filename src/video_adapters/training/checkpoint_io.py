"""Lightning's plugin that writes checkpoints."""

from pathlib import Path
from typing import Any

from lightning.fabric.plugins import TorchCheckpointIO

from video_adapters.trust.checkpoint_file import write


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint so that a kill leaves the old one or the new one."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        write(checkpoint, Path(path))
