"""Depthwise convolution over temporal frequencies at three scales (Frame2Freq-MS, Ponbagavathi et al., CVPR 2026)."""

import numpy as np
import torch
from torch import Tensor, nn

from video_adapters.model.execution import without_autocast

PARTS = (1, 2, 4)
"""Windows that a clip is cut into, by scale."""

TAPS = 3  # neighbouring frequencies that the convolution sees


class FrequencyConvolution(nn.Module):
    """Mean over windows of T, T/2 and T/4 frames of irfft(conv(rfft(h))), zero before training: (B*T, N, C), same.

    The convolution goes over a window's frequencies, each channel by itself, real and imaginary parts by kernels of
    their own, which the windows of a scale share. All of this is linear, and the same at each place. So a channel's T
    numbers at a place are multiplied by a T x T matrix, the sum of one fixed matrix for each weight: what that weight
    alone makes of an impulse at each time. There is no FFT to be run: it exports, and runs in half precision.

    The released code brings real and imaginary parts to the convolution by a view that mixes axes, shares one kernel
    among the scales, and starts at random: the untrained network is not the encoder. It has biases, which would add an
    impulse at the first frame of every window, whatever the clip shows.

    Args:
        channels: C.
        num_times: T.

    Raises:
        ValueError: when there is no channel, or T is no multiple of 4.
    """

    basis: Tensor

    def __init__(self, channels: int, num_times: int) -> None:
        super().__init__()
        if num_times % PARTS[-1]:
            raise ValueError(
                f"adapter.frequency=true cuts clips into windows of T, T/2 and T/4 frames, but T is {num_times}: give "
                "data.num_frames, or with tubelets data.num_frames / data.tubelet, a multiple of 4"
            )
        if channels < 1:
            raise ValueError("adapter.frequency=true halves the bottleneck, which has one unit: raise adapter.ratio")
        self.num_times = num_times
        self.kernels = nn.Parameter(torch.zeros(len(PARTS), 2, TAPS, channels))  # by scale; real, imaginary
        self.register_buffer("basis", torch.tensor(bases(num_times), dtype=torch.float32), persistent=False)

    def forward(self, h: Tensor) -> Tensor:
        with without_autocast(h):
            matrices = torch.einsum("wpkc,wpkts->cts", self.kernels, self.basis)
        clips = h.unflatten(0, (-1, self.num_times))
        return torch.einsum("cts,bsnc->btnc", matrices, clips).flatten(0, 1)


def bases(num_times: int) -> np.ndarray:
    """What each weight alone makes of an impulse at each time, as its share of the mean: (scales, 2, TAPS, T, T), the
    last axis the impulse's time."""
    made = np.zeros((len(PARTS), 2, TAPS, num_times, num_times))
    for scale, parts in enumerate(PARTS):
        window = num_times // parts
        spectra = np.fft.rfft(np.eye(window), axis=0)  # (frequencies, impulses)
        neighbours = np.pad(spectra, ((TAPS // 2, TAPS // 2), (0, 0)))
        for tap in range(TAPS):
            moved = neighbours[tap : tap + len(spectra)]
            for part, kept in enumerate((moved.real, 1j * moved.imag)):
                made[scale, part, tap] = np.kron(np.eye(parts), np.fft.irfft(kept, n=window, axis=0))
    return made / len(PARTS)
