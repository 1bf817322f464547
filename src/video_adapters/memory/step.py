"""Memory of a training step, recorded without a value being computed."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.optim import Optimizer

from video_adapters.memory.allocator import ARRIVED, MIB, Event
from video_adapters.memory.autocast import as_on_the_card
from video_adapters.memory.kernels import cublas_workspaces
from video_adapters.memory.storage_log import Recorder, Work


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What is to be recorded. The functions are called where all tensors they make are fakes without values."""

    module: nn.Module  # what lies on the card, on the meta device (it is turned into fakes)
    loss: Callable[[int], Tensor]  # of one training pass over so many clips
    score: Callable[[int], object]  # evaluates so many views at once
    optimizer: Callable[[], Optimizer]  # over what trains
    half: torch.dtype | None = None  # of autocast; None: there is none
    clip_norm: float | None = None  # of gradients
    shared: bool = False  # whether several processes share a step, by DistributedDataParallel


class Trace(NamedTuple):
    """The log of a training step, in the parts of which any number of passes can be put together."""

    clips: int
    held: list[Event]  # parameters and buffers
    forward: list[Event]
    backward: list[Event]  # the gradients that are allocated here are there at its end
    first_update: list[Event]  # the optimizer makes its state
    evaluation: list[Event]
    work: list[Work]  # of one pass

    @property
    def next_update(self) -> list[Event]:
        """That of every later step: what the first one leaves behind, the optimizer's state, is there."""
        gone = {event.storage for event in self.first_update if not event.size}
        return [event for event in self.first_update if event.storage in gone]

    def scaled(self, clips: int) -> "Trace":
        """The trace of another number of clips, as far as every storage is of one clip's size times their number, or
        of a parameter's size. Sizes that do not divide by the clips are no multiple of theirs: odd numbers tell best.
        """
        fixed = {size * part // 2 for _, size in self.held for part in (1, 2, 4)}

        def of(size: int) -> int:
            return size if size < 0 or size % self.clips or size in fixed else size // self.clips * clips

        def resized(log: list[Event]) -> list[Event]:
            return [Event(storage, of(size)) for storage, size in log]

        work = [Work(of(flops), tuple(map(of, sizes))) for flops, sizes in self.work]
        return Trace(
            clips, self.held, resized(self.forward), resized(self.backward), self.first_update,
            resized(self.evaluation), work,
        )  # fmt: skip

    def steps(self, passes: int) -> Iterator[Event]:
        """The log of two optimizer steps of so many passes each, then of the evaluation.

        Gradients outlive the step: they go when the next step's first backward pass begins.
        """
        both = [*self.forward, *self.backward]
        made = {event.storage for event in both if event.size > 0}
        stay = sorted(made - {event.storage for event in both if not event.size})  # gradients, and some crumbs
        yield from self.held
        for step, update in enumerate((self.first_update, self.next_update)):
            for i in range(min(passes, 2)):  # those after the second are like it
                new = (2 * step + i + 1) * _FAR
                yield from _renamed(self.forward, made, new)
                if i == 0 and step > 0:
                    yield from (Event(storage + _FAR, 0) for storage in stay)
                yield from _renamed(self.backward, made, new, added=i > 0)
            yield from update
        yield from self.evaluation


_FAR = 10**7
"""More than the storages of a pass."""


def record(
    workload: Workload, clips: int, capability: tuple[int, int] | None, update: list[Event] | None, scored: bool
) -> Trace:
    """Runs a pass, an update and an evaluation of a workload on fakes of a card's tensors.

    Args:
        workload: what is run.
        clips: of the pass, and views of the evaluation.
        capability: of the card; None: on the CPU, by its own kernels.
        update: the first one of another trace of the workload, which this one's is like; None runs it.
        scored: whether the evaluation is run too; else the trace ends before it.
    """
    recorder = Recorder()
    kernels = as_on_the_card(capability) if capability else nullcontext()
    with FakeTensorMode(allow_non_fake_inputs=True), kernels:
        optimizer = _set_up(workload, recorder, capability)
        held = recorder.cut()
        with recorder:
            with _autocast(workload.half):
                loss = workload.loss(clips)
            forward = recorder.cut()
            loss.backward()
            del loss
            backward, work = recorder.cut(), list(recorder.work)
            first = update or _update(workload, optimizer, recorder)
            if scored:
                workload.module.eval()
                with torch.no_grad(), _autocast(workload.half):
                    workload.score(clips)
            evaluation = recorder.cut()
    return Trace(clips, held, forward, backward, first, evaluation, work)


def _set_up(workload: Workload, recorder: Recorder, capability: tuple[int, int] | None) -> Optimizer:
    """Makes fakes of what lies on the card for good, and the optimizer over them."""
    module = workload.module
    turn_into_fakes(module)
    recorder.hold([*module.parameters(), *module.buffers()])
    recorder.keep(cublas_workspaces(capability) if capability else [])
    recorder.keep(_buckets(workload) if workload.shared else [])
    optimizer = workload.optimizer()
    for group in optimizer.param_groups:
        group["foreach"] = True  # as it is by default where parameters lie on a card
    for parameter in module.parameters():
        if parameter.requires_grad:
            parameter.register_post_accumulate_grad_hook(recorder.mark_arrival)
    return optimizer


def turn_into_fakes(module: nn.Module) -> None:
    """Gives a module on the meta device fake tensors of the CPU, shared where they were; inside a FakeTensorMode."""
    fakes: dict[int, tuple[Tensor, Tensor]] = {}  # the original too, which keeps its number from being given again

    def fake(tensor: Tensor) -> Tensor:
        if id(tensor) not in fakes:
            twin = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype)
            if isinstance(tensor, nn.Parameter):
                twin = nn.Parameter(twin, requires_grad=tensor.requires_grad)
            fakes[id(tensor)] = tensor, twin
        return fakes[id(tensor)][1]

    for part in module.modules():
        for tensors in (part._parameters, part._buffers):
            for name, tensor in tensors.items():
                if tensor is not None:
                    tensors[name] = fake(tensor)  # type: ignore[assignment]


def _update(workload: Workload, optimizer: Optimizer, recorder: Recorder) -> list[Event]:
    """The log of what follows the last backward pass of a step."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    if workload.half is torch.float16:  # the scaler reads gradients and writes them in place
        gradients = [p.grad for p in parameters if p.grad is not None]
        torch._amp_foreach_non_finite_check_and_unscale_(gradients, torch.zeros(1), torch.ones(1))
    if workload.clip_norm:
        nn.utils.clip_grad_norm_(parameters, workload.clip_norm, foreach=True)
    optimizer.step()
    return recorder.cut()


def _buckets(workload: Workload) -> list[int]:
    """Bytes of the copies of gradients that DistributedDataParallel sends, in portions of 25 MiB, its default."""
    left = sum(p.numel() * p.element_size() for p in workload.module.parameters() if p.requires_grad)
    return [*[25 * MIB] * (left // (25 * MIB)), left % (25 * MIB)]


def _autocast(half: torch.dtype | None) -> AbstractContextManager[None]:
    return torch.autocast("cpu", dtype=half) if half else nullcontext()


def _renamed(log: list[Event], made: set[int], new: int, added: bool = False) -> Iterator[Event]:
    """A log with new names for storages of the pass. With `added`, gradients go as they arrive, added to others."""
    for storage, size in log:
        if size != ARRIVED:
            yield Event(storage + new if storage in made else storage, size)
        elif added:
            yield Event(storage + new, 0)
