"""TimeSformer: divided space-time attention, fully tuned (Bertasius et al., ICML 2021, section 3.3)."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from video_adapters.model.adapters.adapted_block import Adapted, AdaptedBlock, AdapterMethod
from video_adapters.model.adapters.adapter import check_drop_path, rising
from video_adapters.model.encoders.encoder import Encoder, Parts
from video_adapters.model.execution import Execution


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

    def adapt(self, encoder: Encoder, executions: Sequence[Execution]) -> Adapted:
        rates = rising(self.drop_path, len(executions))
        blocks = [TimeSformerBlock(*block) for block in zip(encoder.blocks, executions, rates, strict=True)]
        return Adapted(blocks, (encoder, *blocks), time_from=0)


class TimeSformerBlock(AdaptedBlock):
    """Attention over time, attention within frames, MLP: (B*T, ..., D) -> same shape.

    The attention over time starts from the weights of the one within frames; a linear layer after it starts at zero (in
    Bertasius et al. in all blocks but the first), so that before training every frame leaves as the image encoder's.
    """

    def __init__(self, parts: Parts, execution: Execution, drop_path: float) -> None:
        super().__init__(parts, execution, drop_path)
        self.time = parts.time_copy()
        self.time_out = nn.Linear(parts.width, parts.width)
        nn.init.zeros_(self.time_out.weight)
        nn.init.zeros_(self.time_out.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.time_out(self.attend_time(x, by=self.time)))
        x = self.kept(x) + self.drop_path(self.attend(x))
        return x + self.drop_path(self.mlp(x))

    def pretrained(self) -> list[nn.Parameter]:
        return [*super().pretrained(), *self.time.parameters()]
