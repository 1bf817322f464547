"""AIM: temporal, spatial and joint adaptation of a frozen image model (Yang et al., ICLR 2023, section 3, figure 2)."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from video_adapters.model.adapters.adapter import Adapted, Adapter, AdapterMethod, DropPath, fold_time, unfold_time
from video_adapters.model.encoders.encoder import Parts
from video_adapters.model.placement import Placement, place


@dataclass(frozen=True, kw_only=True)
class Aim(AdapterMethod):
    """AIM's settings. With every site None it is the frozen, space-only baseline.

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

    def __post_init__(self) -> None:
        if not self.ratio > 0:
            raise ValueError(f"adapter.ratio is {self.ratio}, expected a number above 0, such as 0.25")
        if not 0 <= self.drop_path < 1:
            raise ValueError(f"adapter.drop_path is {self.drop_path}, expected a rate from 0 to below 1")

    def adapt(self, blocks: Sequence[Parts], depths: Sequence[int], num_frames: int) -> Adapted:
        temporal, temporal_in, spatial, joint = (
            place(site, depths) for site in (self.temporal, self.temporal_in, self.spatial, self.joint)
        )
        if alone := sorted(set(temporal_in) - set(temporal)):
            raise ValueError(f"adapter.temporal_in names blocks {alone}, which adapter.temporal does not, but must")

        def adapter(site: tuple[int, ...], i: int) -> Adapter | None:
            return Adapter(blocks[i].width, self.ratio) if i in site else None

        adapted = [
            AimBlock(
                parts,
                temporal=adapter(temporal, i),
                temporal_in=adapter(temporal_in, i),
                spatial=adapter(spatial, i),
                joint=adapter(joint, i),
                scale=self.scale,
                drop_path=DropPath(self.drop_path * i / max(len(blocks) - 1, 1), num_frames),
            )
            for i, parts in enumerate(blocks)
        ]
        return Adapted(list(adapted), min(temporal, default=None))


class AimBlock(nn.Module):
    """A frozen block with AIM's adapters around its parts: (B*T, ..., D) -> same shape."""

    def __init__(
        self,
        parts: Parts,
        *,
        temporal: Adapter | None,
        temporal_in: Adapter | None,
        spatial: Adapter | None,
        joint: Adapter | None,
        scale: float,
        drop_path: DropPath,
    ) -> None:
        super().__init__()
        self.parts = parts
        self.temporal, self.temporal_in, self.spatial, self.joint = temporal, temporal_in, spatial, joint
        self.scale = scale
        self.drop_path = drop_path

    def forward(self, x: Tensor) -> Tensor:
        if self.temporal is not None:
            x = x + self.drop_path(self.temporal(self._over_time(x)))
        y = self.parts.attend(self.parts.norm1(x))
        x = x + (y if self.spatial is None else y + self.spatial(y))
        z = self.parts.norm2(x)
        y = self.parts.mlp(z)
        return x + (y if self.joint is None else y + self.drop_path(self.scale * self.joint(z)))

    def _over_time(self, x: Tensor) -> Tensor:
        y = fold_time(self.parts.norm1(x), self.drop_path.num_frames)
        if self.temporal_in is not None:
            y = y + self.temporal_in(y)
        return unfold_time(self.parts.attend_time(y), x)
