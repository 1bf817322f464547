"""ST-Adapter: a bottleneck with a convolution over time in it (Pan et al., NeurIPS 2022, section 3.3); Frame2Freq-MS:
half of its channels are convolved over frequencies instead (Ponbagavathi et al., CVPR 2026)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from video_adapters.model.adapters.adapted_block import Adapted, AdaptedBlock, AdapterMethod
from video_adapters.model.adapters.adapter import bottleneck_width
from video_adapters.model.adapters.frequencies import FrequencyConvolution
from video_adapters.model.encoders.encoder import Encoder, Parts
from video_adapters.model.execution import Execution
from video_adapters.model.placement import Placement, place


@dataclass(frozen=True, kw_only=True)
class StAdapter(AdapterMethod):
    """ST-Adapter's settings, and Frame2Freq-MS's.

    Raises:
        ValueError: for a ratio or kernel out of range; when adapting, for an unknown placement and, with `frequency`,
            for a number of frames that four windows do not share.
    """

    before_attention: Placement = "all"  # blocks with an adapter ahead of the attention within frames
    before_mlp: Placement = None  # blocks with a second one, ahead of the MLP (Something-Something)
    ratio: float = 0.5  # bottleneck width / token width
    kernel_size: int = 3  # frames that the convolution sees
    frequency: bool = False  # half of the bottleneck's channels are convolved over frequencies (Frame2Freq-MS)
    final_norm: bool = True  # the encoder's final norm trains

    def __post_init__(self) -> None:
        if not self.ratio > 0:
            raise ValueError(f"adapter.ratio is {self.ratio}, expected a number above 0, such as 0.5")
        if self.kernel_size < 1 or self.kernel_size % 2 == 0:
            raise ValueError(f"adapter.kernel_size is {self.kernel_size}, expected an odd number of frames, such as 3")

    def adapt(self, encoder: Encoder, executions: Sequence[Execution]) -> Adapted:
        first, second = (place(site, encoder.depths) for site in (self.before_attention, self.before_mlp))
        read = executions[-1].read
        if read is not None and read <= encoder.prefix:  # no patches after the last block
            second = tuple(i for i in second if i < len(executions) - 1)

        def adapter(site: tuple[int, ...], i: int) -> TemporalConvolution | None:
            if i not in site:
                return None
            sizes = (encoder.blocks[i].width, self.ratio, self.kernel_size, executions[i].num_times, encoder.prefix)
            return TemporalConvolution(*sizes, self.frequency)

        blocks = [
            StBlock(parts, execution, adapter(first, i), adapter(second, i))
            for i, (parts, execution) in enumerate(zip(encoder.blocks, executions, strict=True))
        ]
        return Adapted(blocks, (encoder.final_norm,) if self.final_norm else ())


class TemporalConvolution(nn.Module):
    """x + up(conv(down(x))) on the patch tokens, the others as they are: (B*T, ..., D) -> same shape.

    The convolution goes over time, each channel by itself (3x1x1, depthwise), and there is no activation. It starts at
    zero, and so do all biases; the other weights do not, or nothing would learn. With `frequency`, the last half of the
    channels goes through a `FrequencyConvolution` instead, which starts at zero as well.

    Args:
        width: D.
        ratio: bottleneck width as a share of D, rounded down.
        kernel_size: frames, odd.
        num_times: T.
        prefix: tokens ahead of the patches.
        frequency: see above.

    Raises:
        ValueError: when no bottleneck unit is left, or none for one of two halves.
    """

    def __init__(
        self, width: int, ratio: float, kernel_size: int, num_times: int, prefix: int, frequency: bool = False
    ) -> None:
        super().__init__()
        hidden = bottleneck_width(width, ratio)
        self.num_times, self.prefix = num_times, prefix
        self.channels = (hidden - hidden // 2, hidden // 2) if frequency else (hidden, 0)  # over time, over frequencies
        self.down = nn.Linear(width, hidden)
        self.conv = nn.Conv2d(
            self.channels[0], self.channels[0], (kernel_size, 1), padding=(kernel_size // 2, 0), groups=self.channels[0]
        )
        self.frequency = FrequencyConvolution(self.channels[1], num_times) if frequency else None
        self.up = nn.Linear(hidden, width)
        nn.init.trunc_normal_(self.down.weight, std=0.02)
        nn.init.trunc_normal_(self.up.weight, std=0.02)
        for zero in (self.down.bias, self.conv.weight, self.conv.bias, self.up.bias):
            assert zero is not None
            nn.init.zeros_(zero)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(1, -2)
        h = self.down(tokens[:, self.prefix :])
        if self.frequency is None:
            h = self._over_time(h)
        else:
            temporal, spectral = h.split(self.channels, -1)
            h = torch.cat((self._over_time(temporal), self.frequency(spectral)), -1)
        change = self.up(h)
        return x + nn.functional.pad(change, (0, 0, self.prefix, 0)).reshape(x.shape)

    def _over_time(self, h: Tensor) -> Tensor:
        """(B*T, N, channels) -> same shape. The convolution takes channels-last pictures of T x N as they lie."""
        pictures = h.unflatten(0, (-1, self.num_times)).permute(0, 3, 1, 2)
        return self.conv(pictures).permute(0, 2, 3, 1).flatten(0, 1)


class StBlock(AdaptedBlock):
    """A pretrained block with ST-Adapters ahead of its attention and its MLP: (B*T, ..., D) -> same shape."""

    def __init__(self, parts: Parts, execution: Execution, *adapters: TemporalConvolution | None) -> None:
        super().__init__(parts, execution)
        self.before_attention, self.before_mlp = adapters

    def forward(self, x: Tensor) -> Tensor:
        if self.before_attention is not None:
            x = self.before_attention(x)
        x = self.kept(x) + self.attend(x)
        if self.before_mlp is not None:
            x = self.before_mlp(x)
        return x + self.mlp(x)
