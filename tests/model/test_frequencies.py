"""Frame2Freq's convolution over frequencies against torch's FFT."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from video_adapters.model.adapters.frequencies import PARTS, FrequencyConvolution

from helpers.networks import randomise

B, N, C = 2, 3, 5


def by_fft(module: FrequencyConvolution, h: Tensor) -> Tensor:
    """The equation, window by window: (B*T, N, C) -> same shape."""
    series = h.unflatten(0, (B, -1)).permute(0, 2, 3, 1)  # (B, N, C, T)
    total = torch.zeros_like(series)
    for scale, parts in enumerate(PARTS):
        window = series.shape[-1] // parts
        for start in range(0, series.shape[-1], window):
            spectrum = torch.fft.rfft(series[..., start : start + window])
            real, imaginary = (
                F.conv1d(part.flatten(0, 1), kernel.T[:, None], padding=1, groups=C).unflatten(0, (B, N))
                for part, kernel in zip((spectrum.real, spectrum.imag), module.kernels[scale], strict=True)
            )
            total[..., start : start + window] += torch.fft.irfft(torch.complex(real, imaginary), n=window)
    return (total / len(PARTS)).permute(0, 3, 1, 2).flatten(0, 1)


@pytest.mark.parametrize("num_times", [4, 8, 12, 32])
@torch.no_grad()
def test_it_is_convolution_between_fft_and_inverse_of_every_window(num_times: int) -> None:
    module = FrequencyConvolution(C, num_times)
    randomise(module, scale=1.0)
    h = 20 + torch.randn(B * num_times, N, C)
    torch.testing.assert_close(module(h), by_fft(module, h), rtol=1e-5, atol=1e-4)  # of sums of up to 32 numbers of 20


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
@torch.no_grad()
def test_in_half_precision_it_is_rounded_and_no_more(half: torch.dtype) -> None:
    module = FrequencyConvolution(C, 8)
    randomise(module, scale=1.0)
    h = torch.randn(B * 8, N, C)
    with torch.autocast("cpu", half):
        ours = module(h)
    assert ours.dtype == half
    expected = by_fft(module, h)
    assert (ours - expected).abs().max() <= 4 * torch.finfo(half).eps * expected.abs().max()


def test_it_starts_at_zero_and_learns() -> None:
    module = FrequencyConvolution(C, 8)
    y = module(torch.randn(B * 8, N, C))
    assert not y.any()
    (y * torch.randn_like(y)).sum().backward()
    assert module.kernels.grad is not None
    # the first and last frequency are real: of 4 frames one imaginary part is left, which has no neighbour; of 2 none
    learns = [[[True] * 3, [True] * 3], [[True] * 3, [False, True, False]], [[True] * 3, [False] * 3]]
    assert module.kernels.grad.any(-1).tolist() == learns


@pytest.mark.parametrize("num_times", [1, 6, 30])
def test_clips_that_cannot_be_cut_into_quarters_are_refused(num_times: int) -> None:
    with pytest.raises(ValueError, match=rf"T is {num_times}: give data\.num_frames.* multiple of 4"):
        FrequencyConvolution(C, num_times)


def test_a_bottleneck_of_one_unit_has_no_half() -> None:
    with pytest.raises(ValueError, match=r"has one unit: raise adapter\.ratio"):
        FrequencyConvolution(0, 8)
