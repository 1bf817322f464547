"""AdaptFormer: a bottleneck beside every MLP (Chen et al., NeurIPS 2022, section 3.2)."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from video_adapters.model.adapters.adapted_block import Adapted, AdaptedBlock, AdapterMethod
from video_adapters.model.adapters.adapter import Adapter
from video_adapters.model.encoders.encoder import Encoder, Parts
from video_adapters.model.execution import Execution
from video_adapters.model.placement import Placement, place


@dataclass(frozen=True, kw_only=True)
class AdaptFormer(AdapterMethod):
    """AdaptFormer's settings. Frames are seen one by one: no temporal step.

    Raises:
        ValueError: for a ratio or scale out of range; when adapting, for an unknown placement.
    """

    blocks: Placement = "all"  # all, even, first_half, last_half, or a list
    ratio: float = 1 / 12  # bottleneck width / token width: 64 of ViT-B's 768
    scale: float = 0.1  # of the bottleneck's output
    final_norm: bool = True  # the encoder's final norm trains

    def __post_init__(self) -> None:
        if not (self.ratio > 0 and self.scale > 0):
            raise ValueError(
                f"adapter.ratio is {self.ratio} and adapter.scale {self.scale}, expected numbers above 0, such as "
                "0.0833 and 0.1"
            )

    def adapt(self, encoder: Encoder, executions: Sequence[Execution]) -> Adapted:
        adapted = place(self.blocks, encoder.depths)
        blocks = []
        for i, (parts, execution) in enumerate(zip(encoder.blocks, executions, strict=True)):
            joint = Adapter(parts.width, self.ratio, "relu") if i in adapted else None
            blocks.append(AdaptFormerBlock(parts, execution, joint, self.scale))
        return Adapted(blocks, (encoder.final_norm,) if self.final_norm else ())


class AdaptFormerBlock(AdaptedBlock):
    """x += attn(norm1 x); x += mlp(z) + scale J(z), z = norm2 x (equations 3 and 4): (B*T, ..., D) -> same shape."""

    crosses_time = False

    def __init__(self, parts: Parts, execution: Execution, joint: Adapter | None, scale: float) -> None:
        super().__init__(parts, execution)
        self.joint = joint
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        x = self.kept(x) + self.attend(x)
        return x + self.mlp(x, beside=self.joint, scale=self.scale)
