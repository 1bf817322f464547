"""LoRA: low-rank changes of a frozen encoder's own matrices (Hu et al., ICLR 2022, section 4.1)."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized, register_parametrization

from video_adapters.model.adapters.adapted_block import Adapted, AdapterMethod, PlainBlock
from video_adapters.model.encoders.encoder import Encoder
from video_adapters.model.execution import Execution
from video_adapters.model.placement import Placement, place


@dataclass(frozen=True, kw_only=True)
class Lora(AdapterMethod):
    """LoRA's settings. Frames are seen one by one: no temporal step.

    Written here instead of taken from peft, which swaps linear layers for its own: encoder families read their layers'
    matrices, and would read past it. A matrix that is itself W + BA is seen by whatever reads it, in every family.

    Raises:
        ValueError: for a rank below 1 or a scale of 0; when adapting, for an unknown placement.
    """

    blocks: Placement = "all"  # all, even, first_half, last_half, or a list
    rank: int = 8  # of each change
    alpha: float = 16.0  # changes are scaled by alpha / rank
    final_norm: bool = True  # the encoder's final norm trains

    def __post_init__(self) -> None:
        if self.rank < 1 or not self.alpha > 0:
            raise ValueError(
                f"adapter.rank is {self.rank} and adapter.alpha {self.alpha}, expected at least 1, and a number above 0"
            )

    def adapt(self, encoder: Encoder, executions: Sequence[Execution]) -> Adapted:
        blocks = [LoraBlock(parts, execution) for parts, execution in zip(encoder.blocks, executions, strict=True)]
        for i in place(self.blocks, encoder.depths):
            for module, name in matrices(blocks[i].parts.block):
                num_out, num_in = getattr(module, name).shape
                register_parametrization(module, name, LowRank(num_out, num_in, self.rank, self.alpha / self.rank))
        return Adapted(blocks, (encoder.final_norm,) if self.final_norm else ())


def matrices(block: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    """The matrices of a block's attention and MLP, by the module that owns them; queries, keys and values are one."""
    for module in block.modules():
        if isinstance(module, nn.Linear):
            yield module, "weight"
        elif isinstance(module, nn.MultiheadAttention):
            yield module, "in_proj_weight"


class LowRank(nn.Module):
    """W + scale * up @ down: (out, in) -> same shape. `up` starts at zero, `down` as torch's linears do."""

    def __init__(self, num_out: int, num_in: int, rank: int, scale: float) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.empty(rank, num_in))
        self.up = nn.Parameter(torch.zeros(num_out, rank))
        self.scale = scale
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + (self.scale * self.up @ self.down).to(weight.dtype)


class LoraBlock(PlainBlock):
    """A pretrained block, run as it is: (B*T, ..., D) -> same shape. What changes is in its matrices."""

    @torch.no_grad()
    def merge(self) -> None:
        for module, name in matrices(self.parts.block):
            if is_parametrized(module, name):
                chains: Any = module.parametrizations
                change = chains[name]
                change.original.copy_(getattr(module, name))
                change[0] = nn.Identity()  # torch's own removal would break copies of the network, which share a class

    def pretrained(self) -> list[nn.Parameter]:
        added = {id(p) for m in self.modules() if isinstance(m, LowRank) for p in m.parameters()}
        return [p for p in super().pretrained() if id(p) not in added]
