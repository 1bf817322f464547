"""The precision and the compiled blocks that a network gets on the hardware at hand."""

import logging
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from omegaconf import DictConfig

from video_adapters.model.backbone import Backbone
from video_adapters.model.execution import HALVES, Memory, cast_frozen, compile_blocks

log = logging.getLogger(__name__)


def make_ready(backbone: Backbone, cfg: DictConfig) -> None:
    """Does what `memory` says of a backbone under the trainer of a config: half-precision weights, compiled blocks.

    Raises:
        ValueError: where precision or hardware do not allow it.
    """
    memory, precision = backbone.memory, str(cfg.trainer.precision)
    half = AMP.get(fitting_precision(precision, cfg.trainer.accelerator, silent=True))
    refuse_other_halves(memory, precision, half, "this machine")
    if memory.frozen_dtype and half:
        cast_frozen(backbone, HALVES[half])
    if memory.compile:
        refuse_to_compile_for(torch.cuda.get_device_capability() if on_gpu(cfg.trainer.accelerator) else TRITON)
        compile_blocks(backbone.blocks)
        if backbone.side is not None:
            compile_blocks(backbone.side.layers)


def refuse_other_halves(memory: Memory, precision: str, half: str | None, machine: str) -> None:
    """Weights and residual stream are held in no other half than the one that the precision comes to in a place."""
    for name in ("frozen_dtype", "residual_dtype"):
        given = getattr(memory, name)
        if given not in (None, "auto", half):
            raise ValueError(
                f"memory.{name}={given} is for runs that multiply in {given}, but trainer.precision={precision} comes "
                f"to {half or 'fp32'} on {machine}; memory.{name}=auto follows it"
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

WEIGHTS = {"16-true": torch.float16, "bf16-true": torch.bfloat16, "64-true": torch.float64}
"""Types that all weights are held in, by its names of others."""


def multiplying(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """Where a forward pass multiplies as Lightning's precision says."""
    half = AMP.get(precision)
    return torch.autocast(device.type, HALVES[half]) if half else nullcontext()


def fitting_precision(precision: str, accelerator: str, silent: bool = False) -> str:
    """The precision that the hardware can do: bf16 needs compute capability 8, and fp16 serves the cards below it.

    (torch.cuda.is_bf16_supported() counts emulation, which is slow, as support.) Says so when it is not what was asked
    for, unless `silent`.
    """
    gpu = on_gpu(accelerator)
    fitting, why = precision, ""
    if gpu and precision == "bf16-mixed" and torch.cuda.get_device_capability()[0] < 8:
        fitting, why = "16-mixed", "bf16-mixed needs compute capability 8; this card has less and runs 16-mixed"
    if not gpu and precision == "16-mixed":
        fitting, why = "bf16-mixed", "16-mixed is for GPUs; on this CPU it runs as bf16-mixed"
    if why and not silent:
        log.warning("trainer.precision=%s", why)
    return fitting


@contextmanager
def computing_with(threads: int | None) -> Iterator[None]:
    """Has torch compute with so many threads of the CPU; None leaves their number.

    Raises:
        ValueError: for fewer than one.
    """
    if threads is not None and threads < 1:
        raise ValueError(f"threads is {threads}, expected at least 1, or null for as many as there are cores")
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def device_of(accelerator: str) -> torch.device:
    """That of this process: where several were started on a machine, each has its own."""
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if on_gpu(accelerator) else torch.device("cpu")


def on_gpu(accelerator: str) -> bool:
    """Whether what Lightning calls so is a CUDA device here."""
    return accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
