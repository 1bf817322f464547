"""CUDA's autocast, and the card's choice of attention kernel, for tensors that only pretend to be on the card."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, library

from video_adapters.memory.kernels import attend_as

IN_FP32 = (
    "native_layer_norm", "group_norm", "exp", "expm1", "log", "log1p", "reciprocal", "rsqrt",
    "pow.Tensor_Scalar", "pow.Tensor_Tensor", "softplus", "cosine_similarity",
)  # fmt: skip
"""Operators that CUDA's autocast runs in fp32 and the CPU's does not (aten/src/ATen/autocast_mode.h,
AT_FORALL_FP32), as far as image networks use them."""

TO_FP32 = ("softmax.int", "log_softmax.int", "cumsum", "sum.dim_IntList", "prod.dim_int")
"""The same for those that take any input but return fp32 (AT_FORALL_FP32_SET_OPT_DTYPE)."""

_CPU = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastCPU)


@contextmanager
def as_on_the_card(capability: tuple[int, int]) -> Iterator[None]:
    """Inside, operators on CPU tensors start the kernels that a card of this compute capability would.

    That is: the CPU's autocast keeps to CUDA's lists, and `scaled_dot_product_attention` is the fused kernel that the
    card would choose. Only for tensors without values: those kernels do not exist on the CPU.
    """
    kernels = library.Library("aten", "IMPL")
    host = torch.autograd.graph.save_on_cpu
    try:
        torch.autograd.graph.save_on_cpu = _OnHost  # type: ignore[misc, assignment]
        with warnings.catch_warnings():  # torch 2.11 warns of the first operator that is overridden
            warnings.filterwarnings("ignore", message="(?s).*Overriding a previously registered kernel")
            for name in IN_FP32:
                kernels.impl(name, _in_fp32(_operator(name)), "AutocastCPU")
            for name in TO_FP32:
                kernels.impl(name, _to_fp32(_operator(name)), "AutocastCPU")
            kernels.impl("scaled_dot_product_attention", attend_as(capability), "AutogradCPU")
        yield
    finally:
        torch.autograd.graph.save_on_cpu = host  # type: ignore[misc]
        kernels._destroy()


class _OnHost(torch.autograd.graph.saved_tensors_hooks):
    """`save_on_cpu` where the card's tensors are the CPU's themselves: what it keeps is away until it is asked for."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(
            lambda tensor: (tensor.shape, tensor.stride(), tensor.dtype),
            lambda kept: torch.empty_strided(kept[0], kept[1], dtype=kept[2]),
        )


def _operator(name: str) -> Any:
    packet, _, overload = name.partition(".")
    return getattr(getattr(torch.ops.aten, packet), overload or "default")


def _in_fp32(operator: Any) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        with torch._C._ExcludeDispatchKeyGuard(_CPU):
            return operator(*(_widened(value) for value in args), **{k: _widened(v) for k, v in kwargs.items()})

    return run


def _to_fp32(operator: Any) -> Callable[..., Any]:
    def run(x: Tensor, *args: Any, dtype: torch.dtype | None = None, **kwargs: Any) -> Any:
        if dtype is None and x.dtype in (torch.float16, torch.bfloat16):
            dtype = torch.float32
        with torch._C._ExcludeDispatchKeyGuard(_CPU):
            return operator(x, *args, dtype=dtype, **kwargs)

    return run


def _widened(value: Any) -> Any:
    half = isinstance(value, Tensor) and value.dtype in (torch.float16, torch.bfloat16)
    return value.float() if half else value
