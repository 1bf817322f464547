"""Plans how a training step fits a card: clips per pass, passes per step, blocks recomputed."""

import logging
from collections.abc import Sequence
from functools import partial
from itertools import accumulate
from typing import NoReturn

import torch
from omegaconf import DictConfig, OmegaConf

from video_adapters.commands.config import choices
from video_adapters.commands.wording import counted
from video_adapters.data.from_config import with_classes_counted
from video_adapters.memory.gpu import Gpu
from video_adapters.memory.search import Option, Search
from video_adapters.model.build import build_outline
from video_adapters.model.execution import Memory
from video_adapters.training.planning.duration import duration
from video_adapters.training.planning.gpus import gpu_of, is_named, num_devices
from video_adapters.training.planning.plan_table import bytes_in_words, command, report
from video_adapters.training.planning.suggestions import OF_CHECKPOINTS, suggestions
from video_adapters.training.planning.trace import half_type, trace_experiment

log = logging.getLogger(__name__)

PLANNED = ("batch.per_device", "memory.checkpoint_blocks")
"""Keys that a plan decides."""


def make_plan(cfg: DictConfig, gpu: Gpu) -> Search:
    """The options of a composed experiment on a card, keeping batch.per_step.

    Raises:
        ValueError: when the step's clips do not divide over the devices, the precision is none that is planned, or
            a run would refuse what `memory` says.
    """
    devices = num_devices(cfg)
    if cfg.batch.per_step % devices:
        raise ValueError(f"batch.per_step={cfg.batch.per_step} clips do not divide over {counted(devices, 'device')}")
    least = int(any(cfg.memory.get(name) for name in OF_CHECKPOINTS))
    cfg = cfg.copy()
    OmegaConf.update(cfg, "memory.checkpoint_blocks", cfg.memory.checkpoint_blocks or least)
    blocks = anchors(build_outline(cfg).backbone.encoder.depths, least)
    share = cfg.batch.per_step // devices
    return Search(partial(trace_experiment, cfg, gpu), blocks, share, gpu, half_type(cfg, gpu))


def anchors(depths: Sequence[int], least: int) -> list[int]:
    """Numbers of recomputed blocks between which peaks fall on a line: at least so many, up to all but the last."""
    most = max(sum(depths) - 1, least)
    return sorted({least, most, *(end for end in accumulate(depths) if least < end < most)})


def print_plan(cfg: DictConfig, overrides: list[str]) -> None:
    """Prints what was considered, how long the run takes, and the command that runs what was chosen.

    Raises:
        ValueError: when nothing fits, with what would.
    """
    cfg = with_classes_counted(cfg)
    search = make_plan(cfg, gpu_of(cfg))
    best = search.best()
    report(cfg, search.gpu, search.options(), best)
    chosen = best or _nothing_fits(cfg, search)
    print(duration(cfg, chosen.seconds, choices().get("data")))
    print(command(overrides, _decided(chosen)))


def planned(cfg: DictConfig) -> DictConfig:
    """The config with what `memory.plan=auto` decides; as it is where nothing is asked for, or nothing to plan for.

    Raises:
        ValueError: for impossible values of memory, and when nothing fits, with what would.
    """
    if Memory(**cfg.memory).plan is None:
        return cfg
    on_gpu = torch.cuda.is_available() and cfg.trainer.accelerator in ("auto", "gpu", "cuda")
    if not on_gpu and not is_named(cfg):
        log.info(
            "memory.plan=auto: there is no GPU to plan for, so batch.per_device=%s and memory.checkpoint_blocks=%s "
            "stay; gpu=NAME plans for a named card",
            cfg.batch.per_device, cfg.memory.checkpoint_blocks,
        )  # fmt: skip
        return cfg
    search = make_plan(cfg, gpu_of(cfg))
    chosen = search.best() or _nothing_fits(cfg, search)
    decided, reserved = _decided(chosen), chosen.peak.reserved
    log.info(
        "memory.plan=auto, for %s: batch.per_device=%s memory.checkpoint_blocks=%s, %s reserved of at most %s",
        search.gpu.name, *decided.values(), bytes_in_words(reserved), bytes_in_words(search.gpu.limit),
    )  # fmt: skip
    return _changed(cfg, decided, reserved)


def _changed(cfg: DictConfig, decided: dict[str, int], reserved: int) -> DictConfig:
    """A config with what was decided, and with the prediction where that is compared with the card."""
    cfg = cfg.copy()
    for key, value in decided.items():
        OmegaConf.update(cfg, key, value)
    if cfg.callbacks.get("memory_check"):
        OmegaConf.update(cfg, "callbacks.memory_check.predicted", reserved)
    return cfg


def _decided(option: Option) -> dict[str, int]:
    return dict(zip(PLANNED, (option.clips, option.checkpointed), strict=True))


def _nothing_fits(cfg: DictConfig, search: Search) -> NoReturn:
    """Refuses to plan what fits in no way, with what would fit."""
    options, gpu = search.options(), search.gpu
    least = min(options, key=lambda option: option.peak.reserved)
    text = (
        f"nothing fits {gpu.name}: even {counted(least.clips, 'clip')} at a time with "
        f"{counted(least.checkpointed, 'block')} recomputed "
        f"reserves {bytes_in_words(least.peak.reserved)}, and {bytes_in_words(gpu.limit)} are to be had"
    )
    most = max(1, *(option.checkpointed for option in options))
    changes = suggestions(cfg, gpu, least.checkpointed, most, search.update)
    fitting = [f"{overrides} ({bytes_in_words(peak)})" for overrides, peak in changes]
    advice = f"What would fit: {'; or '.join(fitting)}" if fitting else "Fewer pixels, or a smaller encoder"
    raise ValueError(f"{text}. {advice}")
