"""A log of every storage that comes and goes while PyTorch runs, and of what the operators cost."""

import weakref
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from video_adapters.memory.allocator import ARRIVED, Event
from video_adapters.memory.kernels import workspace

DEVICE_OF = torch.ops.prim.device.default
LAYER_NORM = torch.ops.aten.native_layer_norm.default


class Work(NamedTuple):
    """What one operator does."""

    flops: int  # of matrix products, 2 per multiply-accumulate
    sizes: tuple[int, ...]  # bytes of the tensors that it reads and writes


class Recorder(TorchDispatchMode):
    """While active, logs the birth and death of storages, in order, and the work of operators.

    Works alike for real tensors and for fake ones. What exists before is told by `hold`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Event] = []
        self.work: list[Work] = []
        self._alive: dict[int, tuple[int, Any]] = {}  # storages alive, by address of their C++ object: number, weakref
        self._count = 0

    def hold(self, tensors: Iterable[Tensor]) -> None:
        """Counts tensors that were made outside."""
        for tensor in tensors:
            self._meet(tensor)

    def mark_arrival(self, parameter: Tensor) -> None:
        """Marks that a parameter's gradient is there, where that is a storage of the log."""
        assert parameter.grad is not None
        alive = self._alive.get(parameter.grad.untyped_storage()._cdata)
        if alive is not None:
            self.log.append(Event(alive[0], ARRIVED))

    def keep(self, sizes: Iterable[int]) -> None:
        """Counts bytes that are never given back."""
        self.log += [Event(self._next(), size) for size in sizes if size]

    def cut(self) -> list[Event]:
        """The log since it was last cut."""
        log, self.log = self.log, []
        return log

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        if func is DEVICE_OF and hasattr(args[0], "fake_device"):
            return args[0].fake_device  # asked for at every turn; a dispatch of its own would take half of the time
        if func is LAYER_NORM:
            _check_types(*args)
        result = func(*args, **(kwargs or {}))
        tensors = [t for t in (result if isinstance(result, (tuple, list)) else (result,)) if isinstance(t, Tensor)]
        fresh = [self._meet(tensor) for tensor in tensors]
        if scratch := workspace(func, args):
            before = len(self.log)
            self.keep(scratch)
            self.log += [Event(event.storage, 0) for event in self.log[before:]]
        if any(fresh) or func._schema.is_mutable:
            self._note_work(func, args, kwargs or {}, result, tensors)
        return result

    def _meet(self, tensor: Tensor) -> bool:
        """Logs the birth of a tensor's storage; says whether it is new."""
        storage = tensor.untyped_storage()
        address, size = storage._cdata, storage.nbytes()
        if address in self._alive or not size:
            return False
        number = self._next()

        def die(_: Any) -> None:
            del self._alive[address]
            self.log.append(Event(number, 0))

        self._alive[address] = number, weakref.ref(storage, die)
        self.log.append(Event(number, size))
        return True

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _note_work(self, func: Any, args: Any, kwargs: Any, result: Any, tensors: list[Tensor]) -> None:
        count = flop_registry.get(func._overloadpacket)
        flops = count(*args, **kwargs, out_val=result) if count else 0
        read = (t for arg in args for t in (arg if isinstance(arg, (tuple, list)) else (arg,)))
        sizes = tuple(t.numel() * t.element_size() for t in (*read, *tensors) if isinstance(t, Tensor))
        self.work.append(Work(flops, sizes))


def _check_types(x: Tensor, shape: Any, weight: Tensor | None, *_: Any) -> None:
    """Fails where a card would: its layer norms take weights of x's type alone, the CPU's of fp32 too."""
    if weight is not None and weight.dtype != x.dtype:
        raise TypeError(f"a layer norm of {x.dtype} with weights of {weight.dtype}, which no card runs")
