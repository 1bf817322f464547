"""Execution of a network: kept tokens, recomputing, half precision, compiled blocks."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

HALVES = {"float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, kw_only=True)
class Execution:
    """How an adapted block runs, of which its method's paper says nothing."""

    num_times: int  # T: frames or tubelets of a clip, whose rows are adjacent
    read: int | None = None  # how many tokens of a frame, from the first, anything reads after the block; None: all
    skip_dead_work: bool = True  # the others do not leave it
    fuse: bool = True  # the last layer of an attention and the first of the adapter after it are taken for one
    recompute_mlp: bool = False  # the MLP's hidden layer is made again in the backward pass instead of kept
    half_norms: bool = False  # norms of a half-precision stream stay in its precision

    @property
    def keep(self) -> int | None:
        """How many tokens of a frame, from the first, leave the block; None: all."""
        return self.read if self.skip_dead_work else None


@dataclass(frozen=True, kw_only=True)
class Memory:
    """The group `memory` of the configs.

    Raises:
        ValueError: for impossible numbers, unknown types, and settings of a recomputation that is not asked for.
    """

    plan: str | None = None  # auto: the others were chosen to fit the card, before the network was built
    checkpoint_blocks: int = 0  # so many blocks, from the first, are recomputed in the backward pass instead of kept
    checkpoint_nested: bool = False  # of those only every sqrt(n)-th input is kept, the others made again from it
    offload: bool = False  # the inputs kept of recomputed blocks wait in the host's memory
    recompute_mlp: bool = False  # the hidden layer of every MLP is recomputed in the backward pass instead of kept
    frozen_dtype: str | None = None  # under AMP: auto (its half), float16, bfloat16; null: frozen weights as loaded
    residual_dtype: str | None = None  # under AMP: auto, float16, bfloat16; null: as the encoder makes the stream
    skip_dead_work: bool = True  # what the last block would compute for tokens that nothing reads is left out
    compile: bool = False  # every block by torch.compile

    def __post_init__(self) -> None:
        if self.plan not in (None, "auto"):
            raise ValueError(f"memory.plan is {self.plan}, expected auto or null")
        if self.checkpoint_blocks < 0:
            raise ValueError(f"memory.checkpoint_blocks is {self.checkpoint_blocks}, expected at least 0")
        for name in ("checkpoint_nested", "offload"):
            if getattr(self, name) and not self.checkpoint_blocks:
                raise ValueError(f"memory.{name}=true is about recomputed blocks: set memory.checkpoint_blocks too")
        for name in ("frozen_dtype", "residual_dtype"):
            given = getattr(self, name)
            if given not in (None, "auto", *HALVES):
                raise ValueError(f"memory.{name} is {given}, expected auto, {', '.join(HALVES)} or null")

    def executions(self, depth: int, num_times: int, read: int | None) -> list[Execution]:
        """How each of so many blocks runs, where the first `read` tokens of a frame are read after the last."""
        every = Execution(
            num_times=num_times,
            skip_dead_work=self.skip_dead_work,
            recompute_mlp=self.recompute_mlp,
            half_norms=self.residual_dtype is not None,
        )
        return [every] * (depth - 1) + [replace(every, read=read)]

    def segments(self, depth: int) -> list[range]:
        """Blocks that are recomputed together; within one of several, each is recomputed by itself once more.

        Raises:
            ValueError: for more blocks than there are.
        """
        blocks = self.checkpoint_blocks
        if blocks > depth:
            raise ValueError(f"memory.checkpoint_blocks is {blocks}, but the encoder has {depth} blocks")
        size = math.ceil(math.sqrt(blocks)) if self.checkpoint_nested else 1
        return [range(start, min(start + size, blocks)) for start in range(0, blocks, size)] if blocks else []


Result = TypeVar("Result", bound=Tensor | tuple[Tensor, ...])


def recompute(run: Callable[..., Result], *inputs: Any, offload: bool = False) -> Result:
    """run(*inputs), of which the inputs alone are kept for the backward pass; `offload`: in the host's memory."""
    if not torch.is_grad_enabled():
        return run(*inputs)
    on_gpu = any(isinstance(x, Tensor) and x.is_cuda for x in inputs)
    kept: AbstractContextManager[Any] = (
        torch.autograd.graph.save_on_cpu(pin_memory=on_gpu) if offload else nullcontext()
    )
    with kept:
        result: Result = checkpoint(run, *inputs, use_reentrant=False)
    return result


def normed(norm: nn.Module, x: Tensor, in_half: bool) -> Tensor:
    """A norm: (..., D) -> (..., D). `in_half`: a layer norm of a half-precision x, in its precision.

    AMP would turn x to fp32 on a GPU and keep that for the backward pass; the kernel sums in fp32 by itself.
    """
    if not in_half or not isinstance(norm, nn.LayerNorm) or x.dtype == torch.float32:
        return norm(x)
    weight, bias = (None if p is None else p.to(x.dtype) for p in (norm.weight, norm.bias))
    with torch.autocast(x.device.type, enabled=False):
        return F.layer_norm(x, norm.normalized_shape, weight, bias, norm.eps)


def autocast_dtype(x: Tensor) -> torch.dtype | None:
    """The type that products are computed in here under AMP; None without."""
    device = x.device.type
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device)
    return None


def without_autocast(x: Tensor) -> AbstractContextManager[Any]:
    """Where products are computed in the precision of what enters them: statistics, losses and scores, in fp32."""
    return torch.autocast(x.device.type, enabled=False) if autocast_dtype(x) else nullcontext()


def cast_frozen(model: nn.Module, dtype: torch.dtype | None) -> None:
    """Holds frozen weights of linear layers, attentions and convolutions in `dtype`, which AMP would cast at every use.

    Results stay the same to the bit, but only under AMP of that type. Norms, embeddings and all that trains stay fp32,
    and so do matrices that something trained is added to (LoRA's): what training adds is small.
    """
    for module in model.modules() if dtype else ():
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.MultiheadAttention)):
            for parameter in module.parameters(recurse=False):
                if not parameter.requires_grad:
                    parameter.data = parameter.data.to(dtype)


VERSIONS = 4
"""Of a compiled block: training and evaluation, a full batch and the last one."""


def compile_blocks(blocks: nn.ModuleList, backend: str = "inductor") -> None:
    """Has every block compiled, as a whole, when it first runs; names of weights stay as they are.

    Blocks share their class's code but not what it is specialised on (drop path rates, sites, training or not), and the
    compiler gives up after 8 versions of one code: it is allowed as many as there can be.
    """
    import torch._dynamo  # a second's work, for those who compile

    config: Any = torch._dynamo.config
    config.recompile_limit = max(config.recompile_limit, VERSIONS * len(blocks))
    for block in blocks:
        block.compile(fullgraph=True, backend=backend)
