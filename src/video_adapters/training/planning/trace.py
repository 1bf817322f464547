"""Traces of an experiment: its training step and evaluation, recorded without a value being computed."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from video_adapters.data.dataset import Batch
from video_adapters.memory.allocator import Event
from video_adapters.memory.gpu import Gpu
from video_adapters.memory.step import Trace, Workload, record
from video_adapters.model.build import build_outline
from video_adapters.model.checkpoint import Origin
from video_adapters.model.classifier import VideoClassifier
from video_adapters.model.execution import cast_frozen
from video_adapters.model.hardware import refuse_other_halves, refuse_to_compile_for
from video_adapters.training.loss import LossSettings, build_loss
from video_adapters.training.module import ActionModule
from video_adapters.training.planning.gpus import num_devices

A100 = (8, 0)  # compute capability


def trace_experiment(
    cfg: DictConfig, gpu: Gpu, clips: int, checkpointed: int, update: list[Event] | None = None, scored: bool = True
) -> Trace:
    """The trace of an experiment on a card, with so many clips a pass and so many blocks recomputed.

    The optimizer's first update, which depends on neither, may be another such trace's; the evaluation may be left out.

    Raises:
        ValueError: for settings of `memory` that a run on the card would refuse.
    """
    cfg = cfg.copy()
    OmegaConf.update(cfg, "memory.checkpoint_blocks", checkpointed)
    if cfg.memory.get("compile"):
        refuse_to_compile_for(gpu.version)
        OmegaConf.update(cfg, "memory.compile", False)  # compiled blocks take no more than the operators they fuse
    half, classifier = half_type(cfg, gpu), build_outline(cfg)
    name = str(half).removeprefix("torch.") if half else None
    refuse_other_halves(classifier.backbone.memory, str(cfg.trainer.precision), name, gpu.name)
    if cfg.memory.frozen_dtype:
        cast_frozen(classifier, half)
    return record(workload(cfg, half, classifier), clips, gpu.version, update, scored)


def kept_bytes(cfg: DictConfig) -> float:
    """Bytes that a forward pass of batch.per_device clips keeps for the backward pass, per clip, on an A100 in the
    precision of the config (either half counts as fp16). Of blocks that are recomputed, it is what is kept of them."""
    half, classifier = None if str(cfg.trainer.precision).startswith("32") else torch.float16, build_outline(cfg)
    if cfg.memory.get("frozen_dtype"):
        cast_frozen(classifier, half)
    clips = cfg.batch.per_device
    trace = record(workload(cfg, half, classifier), clips, A100, None, scored=False)
    left = dict(trace.forward)  # of every storage the last event: its size, or 0 where it is gone
    return sum(left.values()) / clips


def workload(
    cfg: DictConfig,
    half: torch.dtype | None,
    classifier: VideoClassifier,
    fill: Callable[[Batch], Batch] = lambda batch: batch,
) -> Workload:
    """The step of a composed experiment's network, by the module that trains it, on batches that `fill` may change."""
    two_sets = np.zeros((2, cfg.data.num_classes), bool) if classifier.labels == "multi" else None
    module = ActionModule(
        classifier,
        optim=instantiate(cfg.optim, _convert_="all"),
        schedule=instantiate(cfg.schedule, _convert_="all"),
        loss=build_loss(LossSettings(), cfg.data.num_classes, two_sets),
        origin=Origin({}, (), ""),
    )
    optimizers = (SimpleNamespace(param_groups=({"lr": 0.0},)),)
    stand_in: Any = SimpleNamespace(world_size=1, accumulate_grad_batches=1, optimizers=optimizers)
    module._trainer = stand_in  # of which the training step asks this
    views = cfg.data.test_views.clips * cfg.data.test_views.crops

    def loss(clips: int) -> Tensor:
        return module.training_step(fill(_batch(cfg, clips, views=1)), 0)

    def score(clips: int) -> Tensor:
        module.most_views = clips
        return module.probabilities(_batch(cfg, max(1, clips // views), views).clips)

    return Workload(
        module=module,
        loss=loss,
        score=score,
        optimizer=lambda: module.optim.build(module.classifier),
        half=half,
        clip_norm=cfg.trainer.gradient_clip_val,
        shared=num_devices(cfg) > 1,
    )


def half_type(cfg: DictConfig, gpu: Gpu) -> torch.dtype | None:
    """The type of autocast that the precision of a config comes to on a card; None without autocast.

    Raises:
        ValueError: for precisions that are not planned.
    """
    precision = str(cfg.trainer.precision)
    if precision in ("32-true", "32"):
        return None
    if precision not in ("16-mixed", "bf16-mixed"):
        raise ValueError(f"trainer.precision is {precision}; memory is planned for 16-mixed, bf16-mixed and 32-true")
    return torch.bfloat16 if precision == "bf16-mixed" and gpu.version >= (8, 0) else torch.float16


def _batch(cfg: DictConfig, videos: int, views: int) -> Batch:
    """What the loader gives, in its memory layout: colours last."""
    frames = (cfg.data.num_frames, cfg.data.image_size, cfg.data.image_size, 3)
    return Batch(
        clips=torch.ones(videos, views, *frames, dtype=torch.uint8).permute(0, 1, 2, 5, 3, 4),
        labels=torch.ones(videos, dtype=torch.long),
        weights=torch.ones(videos),
        indices=torch.ones(videos, dtype=torch.long),
        readable=torch.ones(videos, dtype=torch.bool),
        broken=[],
    )
