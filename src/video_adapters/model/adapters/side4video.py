"""Side4Video: a spatial-temporal network beside a frozen encoder (Yao et al., arXiv 2311.15769, section 3)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from video_adapters.model.adapters.adapted_block import Adapted, AdapterMethod, PlainBlock
from video_adapters.model.adapters.bottleneck import bottleneck
from video_adapters.model.adapters.side_network import SideNetwork
from video_adapters.model.encoders.attention import Heads, within_frames
from video_adapters.model.encoders.encoder import Encoder
from video_adapters.model.execution import Execution, normed, recompute

KERNEL = 3  # times that a convolution sees


@dataclass(frozen=True, kw_only=True)
class Side4Video(AdapterMethod):
    """Side4Video's settings. The encoder stays as it is; the head reads the side network's tokens.

    The norms of stem, convolutions, MLPs and output are layer norms, where the paper has BatchNorm3d: that mixes the
    clips of a pass, of which a small card has one or two (and accumulated steps, fixed views and single clips at test
    would each see other statistics). A layer norm needs a token alone, and the encoder's tokens come through one too.

    Raises:
        ValueError: for heads that do not divide the width; when adapting, for an encoder of several stages.
    """

    beside: ClassVar[bool] = True

    width: int = 320  # of the side network's tokens
    num_heads: int = 5  # of its attention, 64 wide each
    mlp_ratio: float = 4.0  # hidden width of its MLPs / width

    def __post_init__(self) -> None:
        if self.num_heads < 1 or self.width < 2 or self.width % (2 * self.num_heads):
            raise ValueError(
                f"adapter.width is {self.width} and adapter.num_heads {self.num_heads}, expected heads of an even width"
            )
        if int(self.width * self.mlp_ratio) < 1:
            raise ValueError(f"adapter.mlp_ratio is {self.mlp_ratio}, expected a number above 0, such as 4")

    def adapt(self, encoder: Encoder, executions: Sequence[Execution]) -> Adapted:
        if len(encoder.depths) > 1:
            raise ValueError(
                "adapter=side4video reads one grid of tokens from all blocks, but this encoder has "
                f"{len(encoder.depths)} stages with a grid each; take a ViT, such as model=clip_vit_b16"
            )
        # all tokens that leave the last block are read, whatever the head reads
        executions = [replace(execution, read=None) for execution in executions]
        blocks = [PlainBlock(parts, execution) for parts, execution in zip(encoder.blocks, executions, strict=True)]
        return Adapted(blocks, side=Side4VideoNetwork(self, encoder, executions))


class Side4VideoNetwork(SideNetwork):
    """Stem, a layer beside each block, norm. The stem's patches are the encoder's: tokens meet at their places."""

    def __init__(self, settings: Side4Video, encoder: Encoder, executions: Sequence[Execution]) -> None:
        super().__init__()
        self.width = settings.width
        patches = encoder.patches
        down, right = (int(side) for side in patches.stride)
        num_patches = (encoder.image_size[0] // down) * (encoder.image_size[1] // right)
        self.stem = nn.Conv3d(
            patches.in_channels, self.width, (KERNEL, down, right), stride=(1, down, right), padding=(KERNEL // 2, 0, 0)
        )
        self.stem_norm = nn.LayerNorm(self.width)
        self.position = nn.Parameter(torch.empty(1, num_patches, self.width))
        nn.init.normal_(self.position, std=0.01)
        self.layers = nn.ModuleList(
            SideLayer(settings, encoder, execution, len(executions)) for execution in executions
        )
        self.norm = nn.LayerNorm(self.width)

    def begin(self, frames: Tensor, num_times: int) -> Tensor:
        clips = frames.unflatten(0, (-1, num_times)).transpose(1, 2)  # (B, 3, T, H, W)
        return self.stem_norm(self.stem(clips).flatten(3).permute(0, 2, 3, 1).flatten(0, 1))

    def step(self, block: int, s: Tensor, x: Tensor) -> Tensor:
        after: Tensor = self.layers[block](s, x, self.position)
        return after

    def end(self, s: Tensor) -> Tensor:
        tokens: Tensor = self.norm(s)
        return tokens

    def positions(self) -> list[nn.Parameter]:
        return [self.position]


class SideLayer(nn.Module):
    """A layer of width d beside a block whose tokens x are of width D: s, (B*T, N, d) -> same shape.

    With u = linear(norm x), at its patches: s = (s + u) / 2; s += up(conv over time(down(norm s))), a kernel for each
    channel; s += attention of a frame's s to themselves and to u of the class tokens next to it; s += mlp(norm s).

    An encoder without class token has nothing that stands for a frame: there, the convolutions alone see other frames.
    Registers are left out. The norm of x has no weights: the linear layer behind it does whatever they would, and what
    it reads is all that is kept of x.
    """

    def __init__(self, settings: Side4Video, encoder: Encoder, execution: Execution, num_layers: int) -> None:
        super().__init__()
        wide, width, self.num_heads = encoder.blocks[-1].width, settings.width, settings.num_heads
        self.prefix, self.class_token, self.execution = encoder.prefix, encoder.class_token, execution
        self.encoder_norm = nn.LayerNorm(wide, elementwise_affine=False)
        self.linear = nn.Linear(wide, width)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.down, self.up = nn.Linear(width, width), nn.Linear(width, width)
        self.conv = nn.Conv2d(width, width, (KERNEL, 1), padding=(KERNEL // 2, 0), groups=width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        hidden = int(width * settings.mlp_ratio)
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self._initialise(width, num_layers)

    def forward(self, s: Tensor, x: Tensor, position: Tensor) -> Tensor:
        u = self.linear(normed(self.encoder_norm, x, self.execution.half_norms))
        s = (s + u[:, self.prefix :]) / 2
        s = s + self._convolve(s)
        s = s + self._attend(s + position.to(s.dtype), u[:, :1] if self.class_token else None)
        return s + (recompute(self._mlp, s) if self.execution.recompute_mlp else self._mlp(s))

    def _convolve(self, s: Tensor) -> Tensor:
        """Over time, at every place: the convolution takes channels-last pictures of T x N as they lie."""
        hidden = self.down(normed(self.norm1, s, self.execution.half_norms))
        pictures = hidden.unflatten(0, (-1, self.execution.num_times)).permute(0, 3, 1, 2)
        return self.up(self.conv(pictures).permute(0, 2, 3, 1).flatten(0, 1))

    def _attend(self, s: Tensor, class_token: Tensor | None) -> Tensor:
        """Within each frame, to one token more where there are class tokens."""
        offering = s if class_token is None else torch.cat((s, of_neighbours(class_token, self.execution.num_times)), 1)
        packed = self.qkv(normed(self.norm2, offering, self.execution.half_norms))
        q, k, v = packed.unflatten(-1, (3, self.num_heads, -1)).unbind(2)
        return self.out(within_frames(Heads(q[:, : s.shape[1]], k, v)))

    def _mlp(self, s: Tensor) -> Tensor:
        def norm(s: Tensor) -> Tensor:
            return normed(self.norm3, s, self.execution.half_norms)

        return bottleneck(norm(s), self.fc1.weight, self.fc1.bias, self.fc2.weight, self.fc2.bias, s, norm)

    def _initialise(self, width: int, num_layers: int) -> None:
        """As the official code does, but that the share of a layer in the stream follows their number, there 12."""
        nn.init.normal_(self.linear.weight, std=(2 * width) ** -0.5)
        nn.init.normal_(self.qkv.weight, std=width**-0.5)
        nn.init.normal_(self.fc1.weight, std=(2 * width) ** -0.5)
        for last in (self.out, self.fc2):
            nn.init.normal_(last.weight, std=(width * 2 * num_layers) ** -0.5)
        for bias in (self.qkv.bias, self.out.bias):
            nn.init.zeros_(bias)


def of_neighbours(x: Tensor, num_times: int) -> Tensor:
    """Half of the channels from the next frame, half from the one before, zeros past a clip's ends: (B*T, n, d)."""
    following, previous = x.unflatten(0, (-1, num_times)).chunk(2, dim=-1)
    following = F.pad(following[:, 1:], (0, 0, 0, 0, 0, 1))
    previous = F.pad(previous[:, :-1], (0, 0, 0, 0, 1, 0))
    return torch.cat((following, previous), dim=-1).flatten(0, 1)
