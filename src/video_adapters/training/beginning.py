"""The moment from which on a run leaves traces."""

from collections.abc import Callable

import lightning as L
from lightning.pytorch.callbacks import Callback


class Beginning(Callback):
    """Calls something once, when training starts: everything was accepted then, the state that was loaded too.

    Args:
        begin: writes the record, opens the loggers.
    """

    def __init__(self, begin: Callable[[L.Trainer], None]) -> None:
        self._begin: Callable[[L.Trainer], None] | None = begin

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.begin(trainer)

    def begin(self, trainer: L.Trainer) -> None:
        """To be called after fitting too, where there was nothing left to train."""
        if self._begin is not None:
            begin, self._begin = self._begin, None
            begin(trainer)
