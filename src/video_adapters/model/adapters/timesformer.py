"""TimeSformer: divided space-time attention, fully tuned (Bertasius et al., ICML 2021, section 3.3)."""

from dataclasses import dataclass

from torch import Tensor, nn

from video_adapters.model.adapters.adapter import (
    Adapted,
    AdaptedBlock,
    AdapterMethod,
    DropPath,
    check_drop_path,
    drop_paths,
)
from video_adapters.model.encoders.encoder import Encoder, Parts


@dataclass(frozen=True, kw_only=True)
class TimeSformer(AdapterMethod):
    """In every block an attention over time of its own goes ahead of the attention within frames; everything trains.

    As in the TimeSformer that AIM's authors compare with, each frame keeps its class token, which takes part in time
    like every other token; in Bertasius et al. one class token stands for the clip and only patches attend over time.

    Raises:
        ValueError: for a rate out of range.
    """

    drop_path: float = 0.0  # rate in the last block, rising linearly from 0 in the first

    def __post_init__(self) -> None:
        check_drop_path(self.drop_path)

    def adapt(self, encoder: Encoder, num_times: int) -> Adapted:
        rising = drop_paths(self.drop_path, len(encoder.blocks), num_times)
        blocks = [TimeSformerBlock(parts, drop) for parts, drop in zip(encoder.blocks, rising, strict=True)]
        return Adapted([*blocks], (encoder, *blocks), time_from=0)


class TimeSformerBlock(AdaptedBlock):
    """Attention over time, attention within frames, MLP: (B*T, ..., D) -> same shape.

    The attention over time starts from the weights of the one within frames; a linear layer after it starts at zero (in
    Bertasius et al. in all blocks but the first), so that before training every frame leaves as the image encoder's.
    """

    def __init__(self, parts: Parts, drop_path: DropPath) -> None:
        super().__init__()
        self.parts = parts
        self.time = parts.time_copy()
        self.time_out = nn.Linear(parts.width, parts.width)
        nn.init.zeros_(self.time_out.weight)
        nn.init.zeros_(self.time_out.bias)
        self.drop_path = drop_path

    def forward(self, x: Tensor) -> Tensor:
        y = self.time.attend_time(self.time.norm1(x), self.drop_path.num_times).project()
        x = x + self.drop_path(self.time_out(y))
        y = self.parts.attend(self.parts.norm1(x), self.keep).project()
        x = x[:, : self.keep] + self.drop_path(y)
        return x + self.drop_path(self.without_hidden(lambda x: self.parts.mlp(self.parts.norm2(x)), x))

    def pretrained(self) -> list[nn.Parameter]:
        return [*self.parts.parameters(), *self.time.parameters()]

    def positions(self) -> list[nn.Parameter]:
        return self.parts.positions()
