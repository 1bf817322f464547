"""Adapted blocks, whose execution is the same for every method, and the interface between a method and the backbone."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

from torch import Tensor, nn

from video_adapters.model.adapters.adapter import Adapter, Bottleneck, DropPath, TimeBias
from video_adapters.model.adapters.side_network import SideNetwork
from video_adapters.model.encoders.attention import Mix, Unprojected
from video_adapters.model.encoders.encoder import Encoder, Parts
from video_adapters.model.execution import Execution, normed, recompute


class AdaptedBlock(nn.Module, ABC):
    """A pretrained block with what a method puts around its parts: (B*T, ..., D) -> same shape.

    A method writes `forward`, its paper's equation, in the terms below. What papers do not speak of is done here, once
    for all of them: which tokens are kept, what is recomputed, norms in half precision, layers taken for one.

    Args:
        parts: the pretrained block.
        execution: how it runs.
        drop_path: the rate of `self.drop_path`.

    Attributes:
        crosses_time: whether what leaves for one frame depends on others; a method that does without says so.
    """

    crosses_time: bool = True

    def __init__(self, parts: Parts, execution: Execution, drop_path: float = 0.0) -> None:
        super().__init__()
        self.parts = parts
        self.execution = execution
        self.drop_path = DropPath(drop_path, execution.num_times)

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """(B*T, N, D) -> (B*T, N, D), or (B*T, keep, D) where the execution keeps the first tokens alone."""

    def kept(self, x: Tensor) -> Tensor:
        """The tokens that leave the block, which are those that `attend` gives: (B*T, N, D) -> (B*T, keep, D)."""
        return x[:, : self.execution.keep]

    def norm1(self, x: Tensor) -> Tensor:
        """The norm before attention: (..., D) -> (..., D)."""
        return normed(self.parts.norm1, x, self.execution.half_norms)

    def attend(
        self,
        x: Tensor,
        add: Bottleneck | None = None,
        mix: Mix | None = None,
        *,
        first: Bottleneck | None = None,
    ) -> Tensor:
        """y = attention(z) within frames, or y + add(y), of the tokens kept: (B*T, ..., D) -> (B*T, ..., D).

        z is norm1 x, with first(norm1 x) added where there is one. `mix` is done to keys and values, if the encoder's
        parts are such that it can be.
        """
        z = self.norm1(x)
        if first is not None:
            z = z + first(z)
        attended = self._fusible(self.parts.attend(z, self.execution.keep, mix))
        y = attended.project()
        return y if add is None else y + _adapted(add, attended)

    def attend_time(
        self,
        x: Tensor,
        *,
        first: Bottleneck | None = None,
        then: Bottleneck | None = None,
        bias: TimeBias | None = None,
        by: Parts | None = None,
    ) -> Tensor:
        """y = attention(z) over the T frames of a clip, or then(y): (B*T, ..., D) -> (B*T, ..., D).

        z is norm1 x, with first(norm1 x) added where there is one. `bias` is added to the scores; `by`: another block's
        norm and weights than this one's.
        """
        parts = by or self.parts
        z = normed(parts.norm1, x, self.execution.half_norms)
        if first is not None:
            z = z + first(z)
        attended = parts.attend_time(z, self.execution.num_times, None if bias is None else bias())
        return attended.project() if then is None else _adapted(then, self._fusible(attended))

    def mlp(
        self,
        x: Tensor,
        beside: Adapter | None = None,
        scale: float = 1.0,
        *,
        first: Bottleneck | None = None,
        add: Bottleneck | None = None,
    ) -> Tensor:
        """y = mlp(z), or y + add(y), or y + drop_path(scale * beside(z)): (..., D) -> (..., D).

        z is norm2 x, with first(norm2 x) added where there is one.
        """

        def norm2(x: Tensor) -> Tensor:
            return normed(self.parts.norm2, x, self.execution.half_norms)

        def branch(x: Tensor) -> Tensor:
            z = norm2(x)
            # ahead of the MLP: where both are recomputed, that ends with the last tensor needed, its hidden layer
            side = None if beside is None else self.drop_path(scale * beside(z, x, norm2))
            y = self.parts.mlp(z if first is None else z + first(z))
            if add is not None:
                y = y + add(y)
            return y if side is None else y + side

        return recompute(branch, x) if self.execution.recompute_mlp else branch(x)

    def _fusible(self, attended: Unprojected) -> Unprojected:
        return attended if self.execution.fuse else Unprojected(attended.project())

    def merge(self) -> None:
        """Folds into the encoder's matrices what of the method is a linear map next to them, in place, for inference.

        What the block computes stays the same up to rounding. Where nothing is, nothing changes.
        """

    def pretrained(self) -> list[nn.Parameter]:
        """Parameters that came with the encoder, or start as copies of such."""
        return list(self.parts.parameters())

    def positions(self) -> list[nn.Parameter]:
        """Parameters that stand for positions in space or time, which recipes exempt from weight decay."""
        return [*self.parts.positions(), *(m.table for m in self.modules() if isinstance(m, TimeBias))]


class PlainBlock(AdaptedBlock):
    """A pretrained block, run as it is: (B*T, ..., D) -> same shape."""

    crosses_time = False

    def forward(self, x: Tensor) -> Tensor:
        x = self.kept(x) + self.attend(x)
        return x + self.mlp(x)


def _adapted(adapter: Bottleneck, attended: Unprojected) -> Tensor:
    """adapter(projection of what was attended to): (..., D) -> (..., D).

    The projection and the adapter's first layer make one: a product of K x D x D replaces one of tokens x D x D, and
    the projection is not kept for the backward pass.
    """
    if attended.weight is None:
        return adapter(attended.mixed)
    return adapter.through(attended.mixed, *attended.into(adapter.down.weight, adapter.down.bias))


@contextmanager
def running(blocks: Any, **changes: bool) -> Iterator[None]:
    """Has adapted blocks run otherwise than they are set to, meanwhile; `changes` are fields of `Execution`."""
    before = [block.execution for block in blocks]
    for block in blocks:
        block.execution = replace(block.execution, **changes)
    try:
        yield
    finally:
        for block, execution in zip(blocks, before, strict=True):
            block.execution = execution


class Adapted(NamedTuple):
    """An encoder's blocks with a method around them."""

    blocks: Sequence[AdaptedBlock]
    tuned: tuple[nn.Module, ...] = ()  # what of the pretrained network trains beside what was added
    time_from: int | None = None  # the block before which a temporal embedding enters; None: there is none
    side: SideNetwork | None = None  # whose features are read in place of the encoder's


class AdapterMethod(ABC):
    """The settings of one paper's method; `adapt` puts it around an encoder's blocks.

    Attributes:
        beside: whether heads read the features of a network beside the encoder.
    """

    beside: ClassVar[bool] = False

    @abstractmethod
    def adapt(self, encoder: Encoder, executions: Sequence[Execution]) -> Adapted:
        """Wraps the blocks of a frozen encoder, each with its execution. What it adds trains."""
