"""Features standardised by what was seen before."""

import pytest
import torch
from torch import Tensor

from video_adapters.model.heads.running_norm import RunningNorm, merged

from helpers.features import like_real_ones
from helpers.rounding import rounding


def _alone(own: Tensor) -> Tensor:
    return own[None]


def _steps(layer: RunningNorm, steps: Tensor) -> None:
    """Shows the layer steps of clips, (steps, clips, D)."""
    for clips in steps:
        layer(clips, torch.full((len(clips),), 1 / len(clips)))
        layer.end_step(_alone)


def test_the_first_steps_statistics_are_those_of_all_clips_seen() -> None:
    clips = torch.randn(6, 8, 5) * 0.16 + 0.65
    layer = RunningNorm(5)
    _steps(layer, clips)
    seen = clips.flatten(0, 1)
    torch.testing.assert_close(layer.mean, seen.mean(0))
    torch.testing.assert_close(layer.var, seen.var(0, correction=0))
    standardised = layer(seen)
    atol = rounding(len(seen) ** 0.5, scale=seen.abs().max().item() / 0.16)
    torch.testing.assert_close(standardised.mean(0), torch.zeros(5), atol=atol, rtol=0)
    expected = seen.var(0, correction=0)
    torch.testing.assert_close(standardised.var(0, correction=0), expected / (expected + layer.epsilon))


def test_later_steps_forget_earlier_ones() -> None:
    layer = RunningNorm(5, momentum=0.25)
    _steps(layer, torch.randn(4, 16, 5) + 100)
    _steps(layer, torch.zeros(40, 16, 5))  # leaves 0.75^40 = 1e-5 of what was before
    assert layer.mean.abs().max() < 2e-3


def test_in_the_first_step_features_pass_as_they_are() -> None:
    features = torch.randn(4, 5)
    layer = RunningNorm(5)
    torch.testing.assert_close(layer(features), features, rtol=layer.epsilon, atol=0)  # by (1 + epsilon) ** -0.5


def test_a_clip_is_standardised_alike_whatever_stands_beside_it_and_in_evaluation() -> None:
    layer = RunningNorm(5)
    _steps(layer, torch.randn(3, 8, 5))
    clips = torch.randn(8, 5)
    together, alone = layer(clips, torch.full((8,), 1 / 8)), layer(clips[:1], torch.ones(1))
    assert torch.equal(together[:1], alone)
    assert torch.equal(together, layer.eval()(clips))


def test_a_step_in_parts_on_two_devices_gives_the_statistics_of_the_whole() -> None:
    steps = torch.randn(3, 8, 5)
    whole, parts = RunningNorm(5), [RunningNorm(5), RunningNorm(5)]
    _steps(whole, steps)
    for clips in steps:
        for layer, own in zip(parts, clips.split(4), strict=True):
            for two in own.split(2):
                layer(two, torch.full((2,), 1 / 8))
        both = torch.stack([merged(torch.stack(layer._moments)) for layer in parts])
        for layer in parts:
            layer.end_step(lambda _, both=both: both)
    for layer in parts:
        torch.testing.assert_close(layer.mean, whole.mean)
        torch.testing.assert_close(layer.var, whole.var)


def test_a_repeat_that_only_fills_a_batch_up_does_not_count() -> None:
    clips = torch.randn(4, 5)
    filled, plain = RunningNorm(5), RunningNorm(5)
    filled(torch.cat([clips, clips[:1]]), torch.tensor([0.25] * 4 + [0.0]))
    filled.end_step(_alone)
    _steps(plain, clips[None])
    torch.testing.assert_close(filled.var, plain.var)


def test_no_gradient_flows_into_the_statistics() -> None:
    features = torch.randn(4, 5, requires_grad=True)
    layer = RunningNorm(5)
    layer(features, torch.full((4,), 0.25)).sum().backward()
    torch.testing.assert_close(features.grad, torch.full((4, 5), (1 + layer.epsilon) ** -0.5))
    layer.end_step(_alone)
    assert not layer.mean.requires_grad


HALVES = (torch.bfloat16, torch.float16)


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("num_clips", [8, 32])
def test_statistics_of_features_like_real_ones_are_exact_whatever_autocast_says(
    half: torch.dtype, num_clips: int
) -> None:
    """A mean of n numbers is off by less than n fp32 epsilons."""
    clips, layer = like_real_ones(2 * num_clips), RunningNorm(384)
    with torch.autocast("cpu", half):
        _steps(layer, clips.view(2, num_clips, -1))
    expected = clips.double()
    assert layer.mean.dtype == layer.var.dtype == torch.float32
    rounding = expected.mean(0) * 2 * num_clips * torch.finfo(torch.float32).eps
    assert ((layer.mean - expected.mean(0)).abs() <= rounding).all()
    spread = expected.std(0, correction=0)
    # a mean that is off by e adds e^2 to the variance: to the spread no more than e
    assert ((layer.var.double().sqrt() - spread).abs() <= rounding + 1e-4 * spread).all()


@pytest.mark.parametrize("odd", [float("nan"), float("inf")])
def test_what_weighs_nothing_counts_for_nothing_even_if_it_is_no_number(odd: float) -> None:
    clips = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    filled, plain = RunningNorm(5), RunningNorm(5)
    filled(torch.cat([clips, torch.full((1, 5), odd)]), torch.tensor([0.25] * 4 + [0.0]))
    filled(torch.full((2, 5), odd), torch.zeros(2))  # a batch of nothing but repeats
    filled.end_step(_alone)
    _steps(plain, clips[None])
    torch.testing.assert_close(filled.mean, plain.mean)
    torch.testing.assert_close(filled.var, plain.var)


@pytest.mark.parametrize("odd", [float("nan"), float("inf")])
def test_a_step_that_is_not_finite_leaves_the_statistics_as_they_were(odd: float) -> None:
    clips = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0))
    layer, plain = RunningNorm(5), RunningNorm(5)
    _steps(layer, torch.stack([clips[0], torch.full((4, 5), odd), clips[1]]))
    _steps(plain, clips)
    for buffer, expected in zip(layer.buffers(), plain.buffers(), strict=True):
        assert torch.equal(buffer, expected)


def test_weights_need_not_make_one() -> None:
    clips = torch.randn(6, 5, generator=torch.Generator().manual_seed(0)) + 3
    layer = RunningNorm(5)
    layer(clips, torch.full((6,), 0.05))
    layer.end_step(_alone)
    torch.testing.assert_close(layer.mean, clips.mean(0))
    torch.testing.assert_close(layer.var, clips.var(0, correction=0))


def test_what_stands_between_clips_and_channels_counts_for_the_same_statistics() -> None:
    """(B, T, D) with a clip's share spread over its frames is (B*T, D) with as many clips of a frame."""
    clips = torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0)) + 2
    layer = RunningNorm(5)
    layer(clips, torch.tensor([0.5, 0.25, 0.25, 0.0]))
    layer.end_step(_alone)
    seen = torch.cat([clips[0], *clips[:3]])  # the first weighs twice
    torch.testing.assert_close(layer.mean, seen.mean(0))
    torch.testing.assert_close(layer.var, seen.var(0, correction=0))
    assert layer(clips).shape == clips.shape
