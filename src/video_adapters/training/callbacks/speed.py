"""Speed of a run, what it waits for, and what helps where that is its videos."""

import logging
import resource
import shlex
import sys
import time
from typing import Any

import lightning as L
import torch
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch.callbacks import Callback
from omegaconf import OmegaConf

from video_adapters.commands.wording import counted
from video_adapters.commands.workers import cores
from video_adapters.data.datamodule import VideoData
from video_adapters.data.dataset import Batch
from video_adapters.model.build import build_outline
from video_adapters.model.cost import training_flops
from video_adapters.training.optional import optional
from video_adapters.training.planning.gpus import listed_gpus

log = logging.getLogger(__name__)

WATCHED = 60.0  # seconds of training that are looked at, those of starting up left out
BEARABLE = 0.2  # share of the time; without more than that to wait a run would be no more than a quarter faster
FP32 = ("32-true", "32", "64-true")
"""Lightning's names of precisions that multiply in no half."""


class Speed(Callback):
    """Logs clips per second over all devices, the share of time spent waiting for data, and the peak of memory.

    `speed/tflop_per_s` is, of each device, what the products of a training step come to in that time, waiting included;
    what is recomputed to save memory does not count (Chowdhery et al. 2022, "model FLOPs"). `speed/peak_share` is that
    as a share of what the card can do at most, on the cards of `configs/gpu`.

    Figures are means over the optimizer steps since they were last logged; `speed/seconds` is the time spent so
    far, validation included, by the processes that this one goes on from too.
    """

    def __init__(self) -> None:
        self._seconds = 0.0  # spent before the span that is being measured
        self._started = self._idle_since = time.perf_counter()
        self._waited, self._clips = 0.0, 0
        self._wait = DataWait()
        self._flops_of_a_clip = 0.0
        self._peak: float | None = None  # TFLOP/s

    def state_dict(self) -> dict[str, float]:
        return {"seconds": self._seconds + time.perf_counter() - self._started}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        self._seconds = state_dict["seconds"]

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        with optional("speed/tflop_per_s"):
            if not pl_module.reads_features:  # else the backbone has nothing to do
                self._flops_of_a_clip = flops_of_a_clip(pl_module.origin.config)
            self._peak = peak_tflops(pl_module.device, str(trainer.precision))
        self._started = time.perf_counter()
        self._restart()

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._restart()  # validation is no waiting for data

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        pl_module.log("speed/seconds", self.state_dict()["seconds"], rank_zero_only=True)

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self._waited += time.perf_counter() - self._idle_since

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Batch, batch_idx: int) -> None:
        self._clips += len(batch.labels)
        self._idle_since = time.perf_counter()
        if not pl_module.step_finished() or trainer.global_step % trainer.log_every_n_steps:
            return
        with optional("speed/*"):
            self._log(trainer, pl_module, self._idle_since - self._started)
        self._restart()

    def _log(self, trainer: Any, pl_module: Any, elapsed: float) -> None:
        pl_module.log("speed/clips_per_s", self._clips * trainer.world_size / elapsed, rank_zero_only=True)
        tflops = self._clips * self._flops_of_a_clip / elapsed / 1e12
        if tflops:
            pl_module.log("speed/tflop_per_s", tflops, rank_zero_only=True)
        if self._peak:
            pl_module.log("speed/peak_share", tflops / self._peak, rank_zero_only=True)
        pl_module.log("speed/data_wait", self._waited / elapsed, rank_zero_only=True)
        if trainer.is_global_zero:
            self._wait.add(self._waited, elapsed, trainer.datamodule)
        pl_module.log("speed/peak_memory_gib", peak_memory() / 2**30, rank_zero_only=True)

    def _restart(self) -> None:
        now = time.perf_counter()
        self._seconds += now - self._started
        self._started = self._idle_since = now
        self._waited, self._clips = 0.0, 0


def flops_of_a_clip(config: dict[str, Any]) -> float:
    """What a clip costs in training, forward and back, in passes of batch.per_device clips, without recomputation."""
    cfg = OmegaConf.create(config)
    cfg.memory = {"skip_dead_work": cfg.memory.skip_dead_work}
    return training_flops(build_outline(cfg), cfg.batch.per_device) / cfg.batch.per_device


ALIKE = {"A100-PCIE-40GB": "A100-SXM4-40GB", "A100-SXM4-80GB": "A100 80GB PCIe"}
"""Names of cards that multiply as fast as one of `configs/gpu`, though their memory or socket is another."""


def peak_tflops(device: torch.device, precision: str) -> float | None:
    """The most that products come to on a device by its maker's figures; None where `configs/gpu` has no such card.

    A Ti, a laptop's card and another socket's are other cards, and go by other names.
    """
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device).removeprefix("NVIDIA ")
    like = (gpu for gpu in listed_gpus() if gpu.name == ALIKE.get(name, name))
    return next((gpu.fp32 if precision in FP32 else gpu.fp16 for gpu in like), None)


def peak_memory() -> int:
    """Bytes reserved on the GPU at their peak or, without one, this process's peak resident size."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_reserved()
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


class DataWait:
    """Adds up how long training waited for its videos, and says so with the cures when that is too long."""

    def __init__(self) -> None:
        self._seconds = self._waited = 0.0
        self._started = self._done = False

    def add(self, waited: float, seconds: float, data: VideoData) -> None:
        """Takes `seconds` of training into account, `waited` of them for videos; the first stretch is start-up."""
        if not self._started or self._done:
            self._started = True
            return
        self._seconds, self._waited = self._seconds + seconds, self._waited + waited
        if self._seconds < WATCHED:
            return
        self._done = True
        if self._waited > BEARABLE * self._seconds:
            log.warning("%s", advice(self._waited / self._seconds, self._seconds, data))


def advice(share: float, seconds: float, data: VideoData) -> str:
    """What to do about a share of the time that goes into waiting for videos."""
    here = cores(None)
    hydra: Any = HydraConfig.get() if HydraConfig.initialized() else None
    name = hydra.runtime.choices.data if hydra else "NAME"
    given = [word for word in hydra.overrides.task if word.startswith(("data.", "experiment="))] if hydra else []
    words = ["python", "src/prepare.py", "transcode", "--data", name, "--root", data.root]
    words += [word for word in given if not word.startswith("data.root=")]
    processes = f"raise data.num_workers ({data.num_workers} now; {counted(here, 'core')} here), or "
    return (
        f"training waits for videos: {share:.0%} of the last {seconds:.0f} s (speed/data_wait goes on saying it). What "
        f"helps: {processes if data.num_workers < here else ''}train on a copy that decodes faster, made by "
        f"{shlex.join(words)} --to FOLDER (with --sample-only it says first what that brings)"
    )
