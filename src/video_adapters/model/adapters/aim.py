"""AIM: temporal, spatial and joint adaptation of a frozen image model (Yang et al., ICLR 2023, section 3, figure 2)."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from video_adapters.model.adapters.adapted_block import Adapted, AdaptedBlock, AdapterMethod
from video_adapters.model.adapters.adapter import Adapter, TimeBias, check_drop_path, rising
from video_adapters.model.encoders.encoder import Encoder, Parts
from video_adapters.model.execution import Execution
from video_adapters.model.placement import Placement, place


@dataclass(frozen=True, kw_only=True)
class Aim(AdapterMethod):
    """AIM's settings. With every site None it is the space-only baseline, frozen or fully tuned.

    Raises:
        ValueError: for a ratio or rate out of range; when adapting, for an unknown placement, or temporal_in in blocks
            without temporal.
    """

    temporal: Placement = "all"  # blocks with an adapter after the attention over time
    temporal_in: Placement = None  # blocks with a second one before it (AIM on SSv2)
    spatial: Placement = "all"  # blocks with one after the attention within frames
    joint: Placement = "all"  # blocks with one beside the MLP
    ratio: float = 0.25  # bottleneck width / token width
    scale: float = 0.5  # of the joint adapter's output: 0.5 on Kinetics and Diving-48, 1 on SSv2
    drop_path: float = 0.2  # rate in the last block, rising linearly from 0 in the first; on the adapter branches only
    temporal_embedding: bool = True  # added to all tokens of a frame, ahead of the first block with a temporal adapter
    time_bias: bool = False  # learned, in the attention over time, over the distance between frames (AIM on Swin)
    final_norm: bool = True  # the encoder's final norm trains (published: with ViTs yes, with Swin no)
    frozen: bool = True  # the pretrained weights stay as they are; False is the fully tuned rival

    def __post_init__(self) -> None:
        if not self.ratio > 0:
            raise ValueError(f"adapter.ratio is {self.ratio}, expected a number above 0, such as 0.25")
        check_drop_path(self.drop_path)

    def adapt(self, encoder: Encoder, executions: Sequence[Execution]) -> Adapted:
        temporal, temporal_in, spatial, joint = (
            place(site, encoder.depths) for site in (self.temporal, self.temporal_in, self.spatial, self.joint)
        )
        if alone := sorted(set(temporal_in) - set(temporal)):
            raise ValueError(f"adapter.temporal_in names blocks {alone}, which adapter.temporal does not, but must")

        def adapter(site: tuple[int, ...], i: int) -> Adapter | None:
            return Adapter(encoder.blocks[i].width, self.ratio) if i in site else None

        blocks = [
            AimBlock(
                parts,
                execution,
                temporal=adapter(temporal, i),
                temporal_in=adapter(temporal_in, i),
                spatial=adapter(spatial, i),
                joint=adapter(joint, i),
                time_bias=TimeBias(parts.num_heads, execution.num_times) if self.time_bias and i in temporal else None,
                scale=self.scale,
                drop_path=rate,
            )
            for i, (parts, execution, rate) in enumerate(
                zip(encoder.blocks, executions, rising(self.drop_path, len(executions)), strict=True)
            )
        ]
        time_from = min(temporal, default=None) if self.temporal_embedding else None
        tuned = (encoder.final_norm,) if self.final_norm else ()
        return Adapted(blocks, tuned if self.frozen else (encoder, *encoder.blocks), time_from)


class AimBlock(AdaptedBlock):
    """A pretrained block with AIM's adapters T, T_in, S and J around its parts: (B*T, ..., D) -> same shape.

    x += T(attn(z + T_in(z))) over time, z = norm1 x; x += y + S(y), y = attn(norm1 x) within frames; x += mlp(z) +
    scale J(z), z = norm2 x (figure 2 d). Drop path is on T and J.
    """

    def __init__(
        self,
        parts: Parts,
        execution: Execution,
        *,
        temporal: Adapter | None,
        temporal_in: Adapter | None,
        spatial: Adapter | None,
        joint: Adapter | None,
        time_bias: TimeBias | None,
        scale: float,
        drop_path: float,
    ) -> None:
        super().__init__(parts, execution, drop_path)
        self.temporal, self.temporal_in, self.spatial, self.joint = temporal, temporal_in, spatial, joint
        self.time_bias = time_bias
        self.scale = scale
        self.crosses_time = temporal is not None

    def forward(self, x: Tensor) -> Tensor:
        if self.temporal is not None:
            y = self.attend_time(x, first=self.temporal_in, then=self.temporal, bias=self.time_bias)
            x = x + self.drop_path(y)
        x = self.kept(x) + self.attend(x, add=self.spatial)
        return x + self.mlp(x, beside=self.joint, scale=self.scale)
