"""Video Swin: windows that reach over time, fully tuned (Liu et al., CVPR 2022)."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torchvision.models.video.swin_transformer import ShiftedWindowAttention3d

from video_adapters.model.adapters.adapted_block import Adapted, AdaptedBlock, AdapterMethod
from video_adapters.model.adapters.adapter import check_drop_path, rising
from video_adapters.model.encoders.encoder import Encoder, Parts
from video_adapters.model.encoders.timm_swin import TimmSwinParts
from video_adapters.model.execution import Execution


@dataclass(frozen=True, kw_only=True)
class VideoSwin(AdapterMethod):
    """Each window of a Swin widens over time, and everything trains; the attention is torchvision's.

    Image weights are inflated as published (section 3.3): the relative position bias is repeated for every distance in
    time. Before training, a clip that stands still gives the features of the image encoder, where windows divide clip
    and frame; elsewhere both are padded with zeros, which are attended to, as in the official code.

    Raises:
        ValueError: for numbers out of range; when adapting, for an encoder that is no Swin.
    """

    window: int = 8  # time tokens in a window (8 on Kinetics, 16 on SSv2); a clip of fewer is one window
    drop_path: float = 0.3  # rate in the last block, rising linearly from 0 in the first (0.3 for Swin-B on Kinetics)

    def __post_init__(self) -> None:
        if self.window < 1:
            raise ValueError(f"adapter.window is {self.window}, expected at least 1")
        check_drop_path(self.drop_path)

    def adapt(self, encoder: Encoder, executions: Sequence[Execution]) -> Adapted:
        for parts in encoder.blocks:
            if not isinstance(parts, TimmSwinParts):
                raise ValueError(
                    "adapter=video_swin widens the windows of a Swin, but the encoder's blocks are of the class "
                    f"{type(parts.block).__name__}, without windows; take a Swin, such as model=swin_b"
                )
        shifted = [i % 2 == 1 for depth in encoder.depths for i in range(depth)]
        rates = rising(self.drop_path, len(shifted))
        blocks = [
            VideoSwinBlock(parts, execution, self.window, shift, rate)
            for parts, execution, shift, rate in zip(encoder.blocks, executions, shifted, rates, strict=True)
        ]
        return Adapted(blocks, (encoder, *blocks))


class VideoSwinBlock(AdaptedBlock):
    """Attention within windows of time and space, then the MLP: (B*T, H, W, D) -> same shape.

    Args:
        parts: a block of an image Swin, whose attention is taken over.
        window: time tokens in a window.
        shifted: whether windows are shifted by half their size, as in every second block of a stage.
    """

    def __init__(self, parts: Parts, execution: Execution, window: int, shifted: bool, drop_path: float) -> None:
        super().__init__(parts, execution, drop_path)
        block = parts.block
        flat = block.attn
        self.attention = ShiftedWindowAttention3d(
            parts.width,
            window_size=[window, *block.window_size],
            shift_size=[window // 2 if shifted else 0, *block.shift_size],
            num_heads=parts.num_heads,
        )
        self.attention.qkv, self.attention.proj = flat.qkv, flat.proj
        # rows run over distance in time, then height, then width
        table = flat.relative_position_bias_table.detach().repeat(2 * window - 1, 1)
        self.attention.relative_position_bias_table = nn.Parameter(table)
        block.attn = nn.Identity()
        # the parts go last: optimizers of older runs count parameters in that order
        self._modules["parts"] = self._modules.pop("parts")

    def forward(self, x: Tensor) -> Tensor:
        clips = self.norm1(x).unflatten(0, (-1, self.execution.num_times))
        x = x + self.drop_path(self.attention(clips).flatten(0, 1))
        return x + self.drop_path(self.mlp(x))

    def pretrained(self) -> list[nn.Parameter]:
        # not its bias table: tiled over time, it has yet to learn what tells times apart
        taken_over = (self.parts, self.attention.qkv, self.attention.proj)
        return [p for module in taken_over for p in module.parameters()]

    def positions(self) -> list[nn.Parameter]:
        return [self.attention.relative_position_bias_table]
