"""The random state of every process, in the checkpoint."""

import logging
import random
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

from video_adapters.training.processes import gather

log = logging.getLogger(__name__)


class RandomState(Callback):
    """Gives every process a random state of its own, saves them all, and restores them when a run goes on.

    Dropout and drop path draw from it; the clips do not (they depend on seed, epoch and index alone).

    Args:
        seed: of the first process; the others count up from it.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._loaded: list[dict[str, Any]] = []

    def state_dict(self) -> dict[str, Any]:
        return {"states": gather(_random_state())}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._loaded = state_dict["states"]

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        L.seed_everything(self.seed + trainer.global_rank, verbose=False)

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if not self._loaded:
            return
        if len(self._loaded) == trainer.world_size:
            _set_random_state(self._loaded[trainer.global_rank])
        else:
            log.warning(
                "the run was saved by %d processes and goes on with %d: dropout draws anew",
                len(self._loaded), trainer.world_size,
            )  # fmt: skip
        self._loaded = []


def _random_state() -> dict[str, Any]:
    kind, keys, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002  (the global one is what is saved)
    numbers = torch.from_numpy(np.asarray(keys).astype(np.int64))
    numpy = [str(kind), numbers, int(position), int(has_gauss), float(cached)]
    cuda = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    return {"torch": torch.get_rng_state(), "cuda": cuda, "numpy": numpy, "python": random.getstate()}


def _set_random_state(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["torch"].cpu())
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())
    kind, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, cached))  # noqa: NPY002
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
