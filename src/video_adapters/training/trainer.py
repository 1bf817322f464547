"""From a composed config to the objects it describes."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import lightning as L
from hydra.utils import instantiate
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, Timer
from omegaconf import DictConfig, OmegaConf

from video_adapters.commands.terminal import interactive
from video_adapters.commands.wording import counted
from video_adapters.data.datamodule import VideoData
from video_adapters.model.checkpoint import origin_of
from video_adapters.model.classifier import VideoClassifier
from video_adapters.model.hardware import fitting_precision, make_ready
from video_adapters.training.callbacks.progress import Bar
from video_adapters.training.loss import LossSettings, build_loss
from video_adapters.training.module import ActionModule
from video_adapters.trust import checkpoint_file


def build_module(cfg: DictConfig, classifier: VideoClassifier, data: VideoData, trains: bool = True) -> ActionModule:
    """The training and evaluation steps around a network, which gets ready for the precision and hardware of cfg.

    Where it `trains`, the training videos are counted by class.
    """
    make_ready(classifier.backbone, cfg)
    settings: Any = OmegaConf.to_container(cfg.loss) if trains else {}
    labels = data.videos("train").labels if trains else None
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    return ActionModule(
        classifier,
        optim=instantiate(cfg.optim, _convert_="all"),
        schedule=instantiate(cfg.schedule, _convert_="all"),
        loss=build_loss(LossSettings(**settings), data.num_classes, data.label_sets, labels),
        most_views=cfg.batch.per_device,
        origin=origin_of(classifier, config, data.class_names),
    )


def build_trainer(cfg: DictConfig, callbacks: list[Callback], loggers: list[Any] | None = None) -> L.Trainer:
    """Lightning's trainer, as configured, with what the project needs of it.

    Raises:
        ValueError: for keys that are decided elsewhere, and for processes from outside that do not match the devices.
    """
    refuse_what_is_ours(cfg.trainer)
    trainer: L.Trainer = instantiate(
        cfg.trainer,
        callbacks=[*callbacks, *([Bar()] if interactive() else [])],
        logger=loggers or False,
        precision=fitting_precision(cfg.trainer.precision, cfg.trainer.accelerator),
        plugins=[AtomicCheckpointIO()],
        enable_checkpointing=any(isinstance(one, ModelCheckpoint) for one in callbacks),  # else Lightning adds one
        use_distributed_sampler=False,  # it pads; ours weighs what it repeats with 0
        enable_progress_bar=interactive(),
        enable_model_summary=False,
        _convert_="all",
    )
    _check_launch(trainer)
    # Lightning answers SIGTERM with something that all processes do together, wherever each of them is: they would hang
    trainer._signal_connector._sigterm_notifier_fn = lambda *_: None  # type: ignore[method-assign]
    return trainer


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint so that a kill leaves the old one or the new one."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        checkpoint_file.write(checkpoint, Path(path))


OURS = {
    "accumulate_grad_batches": "it follows from batch.per_step, batch.per_device and the devices",
    "callbacks": "they stand under callbacks.*",
    "logger": "loggers stand under logger.*",
    "plugins": "checkpoints are written by a plugin of the project",
    "use_distributed_sampler": "the project has its own",
    "enable_progress_bar": "it shows where somebody watches",
    "limit_train_batches": "it would cut steps short; data.max_videos=N takes fewer videos",
    "overfit_batches": "debug=overfit does that",
    "fast_dev_run": "debug=default does that",
}
"""What lightning.Trainer takes, but is decided elsewhere."""


def refuse_what_is_ours(keys: Iterable[str]) -> None:
    for key in keys:
        if key in OURS:
            raise ValueError(f"trainer.{key} cannot be set: {OURS[key]}")


def _check_launch(trainer: L.Trainer) -> None:
    """Refuses processes that torchrun started beyond those the trainer knows: each would train alone, in one folder."""
    launched = int(os.environ.get("WORLD_SIZE", "1")) if "TORCHELASTIC_RUN_ID" in os.environ else trainer.world_size
    if launched != trainer.world_size:
        raise ValueError(
            f"torchrun started {counted(launched, 'process')}, but trainer.devices={trainer.num_devices} x "
            f"trainer.num_nodes={trainer.num_nodes} makes {trainer.world_size}: set them to what torchrun was told"
        )


def refuse_sweep_over_processes(trainer: L.Trainer, multirun: bool) -> None:
    """Lightning starts its processes by the command line, which would have each of them replay the whole sweep.

    Raises:
        ValueError: for several devices in a sweep's job, unless torchrun or SLURM started the processes.
    """
    if multirun and trainer.world_size > 1 and "LOCAL_RANK" not in os.environ and "SLURM_PROCID" not in os.environ:
        raise ValueError(
            f"trainer.devices={trainer.num_devices} inside a sweep (--multirun): every process would replay the whole "
            "sweep. Give each job one device, or start the processes from outside, with torchrun or SLURM"
        )


def validates_early(trainer: L.Trainer) -> bool:
    """Whether validation may come before an epoch's end: at an interval, or when max_time, a Timer, runs out."""
    callbacks: list[L.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    every = trainer.val_check_interval  # a whole number is one of batches
    return every != 1.0 or isinstance(every, int) or any(isinstance(callback, Timer) for callback in callbacks)
