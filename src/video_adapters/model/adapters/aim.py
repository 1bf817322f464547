"""AIM: temporal, spatial and joint adaptation of a frozen image model (Yang et al., ICLR 2023, section 3, figure 2)."""

from dataclasses import dataclass

from torch import Tensor, nn

from video_adapters.model.adapters.adapter import (
    Adapted,
    AdaptedBlock,
    Adapter,
    AdapterMethod,
    DropPath,
    TimeBias,
    check_drop_path,
    drop_paths,
)
from video_adapters.model.encoders.attention import Answer
from video_adapters.model.encoders.encoder import Encoder, Parts
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

    def adapt(self, encoder: Encoder, num_times: int) -> Adapted:
        temporal, temporal_in, spatial, joint = (
            place(site, encoder.depths) for site in (self.temporal, self.temporal_in, self.spatial, self.joint)
        )
        if alone := sorted(set(temporal_in) - set(temporal)):
            raise ValueError(f"adapter.temporal_in names blocks {alone}, which adapter.temporal does not, but must")

        def adapter(site: tuple[int, ...], i: int) -> Adapter | None:
            return Adapter(encoder.blocks[i].width, self.ratio) if i in site else None

        rising = drop_paths(self.drop_path, len(encoder.blocks), num_times)
        blocks = [
            AimBlock(
                parts,
                temporal=adapter(temporal, i),
                temporal_in=adapter(temporal_in, i),
                spatial=adapter(spatial, i),
                joint=adapter(joint, i),
                time_bias=TimeBias(parts.num_heads, num_times) if self.time_bias and i in temporal else None,
                scale=self.scale,
                drop_path=drop_path,
            )
            for i, (parts, drop_path) in enumerate(zip(encoder.blocks, rising, strict=True))
        ]
        time_from = min(temporal, default=None) if self.temporal_embedding else None
        return Adapted([*blocks], self._tuned(encoder), time_from)

    def _tuned(self, encoder: Encoder) -> tuple[nn.Module, ...]:
        if not self.frozen:
            return (encoder, *encoder.blocks)
        return (encoder.final_norm,) if self.final_norm else ()


class AimBlock(AdaptedBlock):
    """A pretrained block with AIM's adapters around its parts: (B*T, ..., D) -> same shape."""

    def __init__(
        self,
        parts: Parts,
        *,
        temporal: Adapter | None,
        temporal_in: Adapter | None,
        spatial: Adapter | None,
        joint: Adapter | None,
        time_bias: TimeBias | None,
        scale: float,
        drop_path: DropPath,
    ) -> None:
        super().__init__()
        self.parts = parts
        self.temporal, self.temporal_in, self.spatial, self.joint = temporal, temporal_in, spatial, joint
        self.time_bias = time_bias
        self.scale = scale
        self.drop_path = drop_path

    def forward(self, x: Tensor) -> Tensor:
        if self.temporal is not None:
            x = x + self.drop_path(self.temporal.of(self._over_time(x)))
        answer = self._counted(self.parts.attend(self.parts.norm1(x), self.keep))
        x, y = x[:, : self.keep], answer.project()
        x = x + (y if self.spatial is None else y + self.spatial.of(answer))
        return x + self.without_hidden(self._mlp, x)

    def _mlp(self, x: Tensor) -> Tensor:
        z = self.parts.norm2(x)
        # ahead of the MLP: where both are recomputed, that ends with the last tensor needed, the MLP's hidden layer
        side = None if self.joint is None else self.drop_path(self.scale * self.joint(z, x, self.parts.norm2))
        y = self.parts.mlp(z)
        return y if side is None else y + side

    def _over_time(self, x: Tensor) -> Answer:
        y = self.parts.norm1(x)
        if self.temporal_in is not None:
            y = y + self.temporal_in(y)
        bias = None if self.time_bias is None else self.time_bias()
        return self._counted(self.parts.attend_time(y, self.drop_path.num_times, bias))

    def _counted(self, answer: Answer) -> Answer:
        """With its last layer done where the paper's products are counted, so that no adapter makes one with it."""
        return Answer(answer.project(), None, None, None) if self.as_published else answer

    def pretrained(self) -> list[nn.Parameter]:
        return list(self.parts.parameters())

    def positions(self) -> list[nn.Parameter]:
        return [*self.parts.positions(), *(() if self.time_bias is None else (self.time_bias.table,))]
