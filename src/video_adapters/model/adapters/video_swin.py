"""Video Swin: windows that reach over time, fully tuned (Liu et al., CVPR 2022)."""

from dataclasses import dataclass

from einops import rearrange
from torch import Tensor, nn
from torchvision.models.video.swin_transformer import ShiftedWindowAttention3d

from video_adapters.model.adapters.adapter import (
    Adapted,
    AdaptedBlock,
    AdapterMethod,
    DropPath,
    check_drop_path,
    drop_paths,
)
from video_adapters.model.encoders.encoder import Encoder, Parts
from video_adapters.model.encoders.timm_swin import TimmSwinParts


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

    def adapt(self, encoder: Encoder, num_times: int) -> Adapted:
        for parts in encoder.blocks:
            if not isinstance(parts, TimmSwinParts):
                raise ValueError(
                    "adapter=video_swin widens the windows of a Swin, but the encoder's blocks are of the class "
                    f"{type(parts.block).__name__}, without windows; take a Swin, such as model=swin_b"
                )
        rising = drop_paths(self.drop_path, len(encoder.blocks), num_times)
        places = [i for depth in encoder.depths for i in range(depth)]
        blocks = [
            VideoSwinBlock(parts, self.window, place % 2 == 1, drop)
            for parts, place, drop in zip(encoder.blocks, places, rising, strict=True)
        ]
        return Adapted([*blocks], (encoder, *blocks), time_from=None)


class VideoSwinBlock(AdaptedBlock):
    """Attention within windows of time and space, then the MLP: (B*T, H, W, D) -> same shape.

    Args:
        parts: a block of an image Swin, whose attention is taken over.
        window: time tokens in a window.
        shifted: whether windows are shifted by half their size, as in every second block of a stage.
    """

    def __init__(self, parts: Parts, window: int, shifted: bool, drop_path: DropPath) -> None:
        super().__init__()
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
        self.parts = parts
        self.drop_path = drop_path

    def forward(self, x: Tensor) -> Tensor:
        clips = rearrange(self.parts.norm1(x), "(b t) h w d -> b t h w d", t=self.drop_path.num_times)
        x = x + self.drop_path(self.attention(clips).flatten(0, 1))
        return x + self.drop_path(self.without_hidden(lambda x: self.parts.mlp(self.parts.norm2(x)), x))

    def pretrained(self) -> list[nn.Parameter]:
        # not its bias table: tiled over time, it has yet to learn what tells times apart
        taken_over = (self.parts, self.attention.qkv, self.attention.proj)
        return [p for module in taken_over for p in module.parameters()]

    def positions(self) -> list[nn.Parameter]:
        return [self.attention.relative_position_bias_table]
