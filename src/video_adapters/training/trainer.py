"""From a composed config to the objects it describes."""

import logging
import os
from collections.abc import Iterable
from typing import Any

import lightning as L
import torch
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from omegaconf import DictConfig, OmegaConf

from video_adapters.commands.plural import counted
from video_adapters.commands.terminal import interactive
from video_adapters.data.datamodule import VideoData
from video_adapters.model.backbone import Backbone
from video_adapters.model.classifier import VideoClassifier
from video_adapters.model.memory import HALVES, Memory, compile_blocks, hold_frozen
from video_adapters.training.checkpoint import AtomicCheckpointIO, Origin, holds_everything
from video_adapters.training.module import ActionModule
from video_adapters.training.progress import Bar

log = logging.getLogger(__name__)


def build_classifier(cfg: DictConfig) -> VideoClassifier:
    """The network: encoder, adapters around its blocks, head."""
    encoder = instantiate(cfg.model, _convert_="all")
    method = instantiate(cfg.adapter, _convert_="all")
    memory = {key: value for key, value in cfg.memory.items() if key != "plan"}  # what was planned stands in the others
    backbone = Backbone(encoder, method, cfg.data.num_frames, tubelet=cfg.data.tubelet, memory=Memory(**memory))
    head = instantiate(cfg.head, width=backbone.width, num_classes=cfg.data.num_classes)
    return VideoClassifier(backbone, head)


def without_weights(cfg: DictConfig) -> DictConfig:
    """The config of the same model, its encoder not pretrained."""
    bare = cfg.copy()
    OmegaConf.update(bare, "model.weights", None)
    OmegaConf.update(bare, "model.allow_random", True)
    return bare


def build_outline(cfg: DictConfig) -> VideoClassifier:
    """The network on the meta device: names and shapes, without a value; weights are neither loaded nor needed."""
    with torch.device("meta"):
        return build_classifier(without_weights(cfg))


def build_for(checkpoint: dict[str, Any], cfg: DictConfig) -> VideoClassifier:
    """The network to be filled from a checkpoint; pretrained weights are not looked for where it holds them all."""
    complete = holds_everything(build_outline(cfg), checkpoint)
    return build_classifier(without_weights(cfg) if complete else cfg)


def build_module(cfg: DictConfig, classifier: VideoClassifier, data: VideoData) -> ActionModule:
    """The training and evaluation steps around a network, which gets ready for the precision and hardware of cfg."""
    make_ready(classifier, cfg)
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    return ActionModule(
        classifier,
        optim=instantiate(cfg.optim, _convert_="all"),
        schedule=instantiate(cfg.schedule, _convert_="all"),
        label_smoothing=cfg.loss.label_smoothing,
        most_views=cfg.batch.per_device,
        origin=Origin(config, data.class_names, classifier.backbone.encoder.fingerprint),
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


def make_ready(classifier: VideoClassifier, cfg: DictConfig) -> None:
    """Does what `memory` says of a network under the trainer of a config: half-precision weights, compiled blocks.

    Raises:
        ValueError: where precision or hardware do not allow it.
    """
    memory, precision = classifier.backbone.memory, str(cfg.trainer.precision)
    half = AMP.get(fitting_precision(precision, cfg.trainer.accelerator, silent=True))
    refuse_other_halves(memory, precision, half, "this machine")
    if memory.frozen_dtype and half:
        hold_frozen(classifier, HALVES[half])
    if memory.compile:
        refuse_to_compile_for(torch.cuda.get_device_capability() if _on_gpu(cfg.trainer.accelerator) else TRITON)
        compile_blocks(classifier.backbone.blocks)


def refuse_other_halves(memory: Memory, precision: str, half: str | None, place: str) -> None:
    """Weights and residual stream are held in no other half than the one that the precision comes to in a place."""
    for name in ("frozen_dtype", "residual_dtype"):
        given = getattr(memory, name)
        if given not in (None, "auto", half):
            raise ValueError(
                f"memory.{name}={given} is for runs that multiply in {given}, but trainer.precision={precision} comes "
                f"to {half or 'fp32'} on {place}; memory.{name}=auto follows it"
            )


TRITON = (7, 0)
"""The compute capability where Triton, which writes compiled kernels, begins."""


def refuse_to_compile_for(version: tuple[int, int]) -> None:
    """Blocks are not compiled for cards that Triton does not serve."""
    if version < TRITON:
        raise ValueError(
            f"memory.compile=true needs a card of compute capability 7.0; this one has {version[0]}.{version[1]}: "
            "leave memory.compile=false"
        )


AMP = {"16-mixed": "float16", "bf16-mixed": "bfloat16"}
"""Types that products are computed in, by Lightning's names of precisions."""


def fitting_precision(precision: str, accelerator: str, silent: bool = False) -> str:
    """The precision that the hardware can do: bf16 needs compute capability 8, and fp16 serves the cards below it.

    (torch.cuda.is_bf16_supported() counts emulation, which is slow, as support.) Says so when it is not what was asked
    for, unless `silent`.
    """
    on_gpu = _on_gpu(accelerator)
    fitting, why = precision, ""
    if on_gpu and precision == "bf16-mixed" and torch.cuda.get_device_capability()[0] < 8:
        fitting, why = "16-mixed", "bf16-mixed needs compute capability 8; this card has less and runs 16-mixed"
    if not on_gpu and precision == "16-mixed":
        fitting, why = "bf16-mixed", "16-mixed is for GPUs; on this CPU it runs as bf16-mixed"
    if why and not silent:
        log.warning("trainer.precision=%s", why)
    return fitting


def _on_gpu(accelerator: str) -> bool:
    return accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
