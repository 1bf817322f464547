"""Exact algebra of what adapter methods are built from."""

import math

import pytest
import torch
from torch import Tensor

from video_adapters.model.adapters.adapter import Adapter, DropPath

T = 3


def test_an_adapter_is_zero_at_start_and_its_upper_half_learns_first() -> None:
    adapter = Adapter(16, 0.25)
    y = adapter(torch.randn(3, 5, 16))
    assert torch.equal(y, torch.zeros(3, 5, 16))
    y.sum().backward()
    assert adapter.up.weight.grad is not None
    assert adapter.up.weight.grad.abs().sum() > 0


def test_an_adapter_may_have_a_relu() -> None:
    adapter = Adapter(8, 0.5, "relu")
    torch.nn.init.normal_(adapter.up.weight)
    x = torch.randn(3, 8)
    hidden = x @ adapter.down.weight.T
    torch.testing.assert_close(adapter(x), hidden.clamp(min=0) @ adapter.up.weight.T)


def test_an_adapter_is_two_linears_around_an_exact_gelu() -> None:
    adapter = Adapter(8, 0.5)
    torch.nn.init.normal_(adapter.up.weight)
    torch.nn.init.normal_(adapter.down.bias)
    x = torch.randn(3, 8)
    hidden = x @ adapter.down.weight.T + adapter.down.bias
    gelu = 0.5 * hidden * (1 + torch.erf(hidden / math.sqrt(2)))
    torch.testing.assert_close(adapter(x), gelu @ adapter.up.weight.T + adapter.up.bias)


def test_the_bottleneck_is_rounded_down_and_refused_when_empty() -> None:
    assert Adapter(10, 0.25).down.weight.shape == (2, 10)
    with pytest.raises(ValueError, match=r"adapter.ratio=0.05 of width 10 leaves no unit; at least 0.1"):
        Adapter(10, 0.05)


def test_the_lower_half_starts_as_published() -> None:
    down = Adapter(256, 1.0).down
    assert down.weight.std().item() == pytest.approx(0.02, rel=0.05)  # 65536 draws: the error of std is 0.3 %
    assert not down.bias.any()


def drop(x: Tensor, rate: float) -> Tensor:
    torch.manual_seed(0)
    return DropPath(rate, T).train()(x)


def test_drop_path_keeps_or_drops_whole_clips() -> None:
    clips = drop(torch.ones(64 * T, 5, 2), 0.5).view(64, -1)
    assert set(clips.unique().tolist()) == {0.0, 2.0}
    assert all(len(clip.unique()) == 1 for clip in clips)


def test_drop_path_keeps_the_mean() -> None:
    clips = drop(torch.ones(20000 * T, 1, 1), 0.2)
    assert clips.mean().item() == pytest.approx(1, abs=0.02)  # standard error sqrt(0.25 / 20000) = 0.0035


def test_drop_path_scales_exactly_in_bf16() -> None:
    x = torch.rand(64 * T, 5, 2).bfloat16()
    y = drop(x, 0.15)
    kept = y != 0
    assert torch.equal(y[kept], (x.float() / 0.85).bfloat16()[kept])


def test_drop_path_does_nothing_in_eval_mode_or_at_rate_zero() -> None:
    x = torch.randn(2 * T, 5, 2)
    assert DropPath(0.9, T).eval()(x) is x
    assert DropPath(0.0, T).train()(x) is x
