"""ZeroI2V: heads shifted over time, and linear adapters to be merged (Li et al., ECCV 2024, section 3)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from video_adapters.model.adapters.adapted_block import Adapted, AdaptedBlock, AdapterMethod
from video_adapters.model.adapters.adapter import LinearAdapter
from video_adapters.model.encoders.encoder import Encoder, Parts
from video_adapters.model.encoders.linears import Affine
from video_adapters.model.execution import Execution
from video_adapters.model.placement import Placement, place

LONG = 16
"""Time tokens of a clip from which on four heads are shifted instead of two."""


@dataclass(frozen=True, kw_only=True)
class ZeroI2V(AdapterMethod):
    """ZeroI2V's settings. There is no second attention; merged, there are no adapters either.

    The temporal embedding decays like AIM's; in the release it does not.

    Raises:
        ValueError: for a ratio or rate out of range; when adapting, for an unknown placement, and for an encoder whose
            keys and values are not to be had, or whose heads are too few.
    """

    blocks: Placement = "all"  # all, even, first_half, last_half, or a list; the others stay the image encoder's
    ratio: float = 0.25  # bottleneck width / token width
    scale: float = 0.5  # of what adapters add: 0.5 on Kinetics, 1 on SSv2
    dropout: float = 0.1  # rate of the adapters' hidden units: 0.1 on Kinetics, 0 on SSv2
    temporal_embedding: bool = True  # added to all tokens of a frame, ahead of the first adapted block
    final_norm: bool = True  # the encoder's final norm trains

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 1:
            raise ValueError(f"adapter.dropout is {self.dropout}, expected a rate from 0 to below 1")
        if not self.ratio > 0:
            raise ValueError(f"adapter.ratio is {self.ratio}, expected a number above 0, such as 0.25")

    def adapt(self, encoder: Encoder, executions: Sequence[Execution]) -> Adapted:
        adapted = place(self.blocks, encoder.depths)
        blocks = [
            ZeroBlock(parts, execution, self if i in adapted else None)
            for i, (parts, execution) in enumerate(zip(encoder.blocks, executions, strict=True))
        ]
        time_from = min(adapted, default=None) if self.temporal_embedding else None
        return Adapted(blocks, (encoder.final_norm,) if self.final_norm else (), time_from)

    def adapter(self, parts: Parts, layers: Sequence[Affine]) -> LinearAdapter:
        """One next to linear layers; without biases where one of these has none to take them in."""
        return LinearAdapter(parts.width, self.ratio, self.scale, all(layer.bias for layer in layers), self.dropout)


class ZeroBlock(AdaptedBlock):
    """A pretrained block with shifted heads and linear adapters A, each with a skip: (B*T, N, D) -> same shape.

    x += A(attention(A(norm1 x))), whose first heads have keys and values of other frames; x += A(mlp(A(norm2 x))).
    """

    def __init__(self, parts: Parts, execution: Execution, method: ZeroI2V | None) -> None:
        super().__init__(parts, execution)
        self.shifts = () if method is None else shifts(parts, execution.num_times)
        into, out, mlp_in, mlp_out = parts.linears()
        self.before_attention, self.after_attention, self.before_mlp, self.after_mlp = (
            None if method is None else method.adapter(parts, layers) for layers in (into, [out], mlp_in, [mlp_out])
        )

    def forward(self, x: Tensor) -> Tensor:
        mix = self.shift if self.shifts else None
        x = self.kept(x) + self.attend(x, first=self.before_attention, add=self.after_attention, mix=mix)
        return x + self.mlp(x, first=self.before_mlp, add=self.after_mlp)

    def shift(self, heads: Tensor) -> Tensor:
        """The first heads of other frames, the others as they are: (B*T, N, heads, d) -> same shape."""
        clips = heads.unflatten(0, (-1, self.execution.num_times))
        moved = [from_frame(clips[..., i : i + 1, :], by) for i, by in enumerate(self.shifts)]
        return torch.cat((*moved, clips[..., len(moved) :, :]), dim=-2).flatten(0, 1)

    def merge(self) -> None:
        into, out, mlp_in, mlp_out = self.parts.linears()
        for adapter, layers in ((self.before_attention, into), (self.before_mlp, mlp_in)):
            if adapter is not None:
                for layer in layers:
                    layer.fold_before(*adapter.with_skip())
        for adapter, layer in ((self.after_attention, out), (self.after_mlp, mlp_out)):
            if adapter is not None:
                layer.fold_after(*adapter.with_skip())
        self.before_attention = self.after_attention = self.before_mlp = self.after_mlp = None


def shifts(parts: Parts, num_times: int) -> tuple[int, ...]:
    """How many frames away each of the first heads looks; the others look at their own.

    Raises:
        ValueError: for parts that do not mix, and where no head would be left.
    """
    if not parts.mixes:
        raise ValueError(
            "adapter=zeroi2v shifts keys and values over time, but the encoder's blocks are of the class "
            f"{type(parts.block).__name__}, whose own code keeps them; take a ViT, such as model=clip_vit_b16"
        )
    frames = (-1, 1) if num_times < LONG else (-1, 1, -2, 2)
    if parts.num_heads <= len(frames):
        raise ValueError(
            f"adapter=zeroi2v gives {len(frames)} heads to other frames in clips of {num_times}, and at least one has "
            f"to stay, but the encoder's attention has {parts.num_heads} heads; take an encoder with more"
        )
    return frames


def from_frame(x: Tensor, by: int) -> Tensor:
    """Frame t + by in place of frame t; where the clip has none, frame t stays: (B, T, ...) -> same shape."""
    if by < 0:
        return torch.cat((x[:, :-by], x[:, :by]), dim=1)
    return torch.cat((x[:, by:], x[:, -by:]), dim=1)
