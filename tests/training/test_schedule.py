"""The learning rate, step by step, against the closed form."""

import math

import pytest
import torch

from video_adapters.training.schedule import FEWEST_POINTS, WarmupCosine, factor, log_interval, total_steps


def test_warm_up_is_linear_and_ends_at_the_full_rate() -> None:
    assert [factor(step, steps=100, warmup=4) for step in range(5)] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])


def test_cosine_goes_through_its_half_to_zero() -> None:
    assert factor(54, steps=104, warmup=4) == pytest.approx(0.5)
    assert factor(29, steps=104, warmup=4) == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))
    assert factor(104, steps=104, warmup=4) == 0
    assert factor(500, steps=104, warmup=4) == 0


def test_the_schedule_follows_the_factor_for_every_group() -> None:
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": weights[0], "lr": 1.0}, {"params": weights[1], "lr": 0.1}])
    schedule = WarmupCosine(warmup_epochs=0.5).build(optimizer, steps=20, steps_per_epoch=10)
    for step in range(20):
        rates = [group["lr"] for group in optimizer.param_groups]
        assert rates == pytest.approx([factor(step, 20, 5), 0.1 * factor(step, 20, 5)])
        optimizer.step()
        schedule.step()


def test_a_warm_up_longer_than_the_run_is_refused() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))])
    with pytest.raises(ValueError, match=r"warmup_epochs=2.5 is 25 steps, but the run has 20"):
        WarmupCosine(warmup_epochs=2.5).build(optimizer, steps=20, steps_per_epoch=10)


@pytest.mark.parametrize("steps", [1, 4, 19, 20, 39, 100, 999, 1000, 132_000])
def test_a_curve_of_any_length_has_its_points_and_a_long_one_no_more_than_asked_for(steps: int) -> None:
    interval = log_interval(50, steps)
    assert steps // interval >= min(steps, FEWEST_POINTS)
    assert interval <= 50
    if steps >= 50 * FEWEST_POINTS:
        assert interval == 50
    assert log_interval(0, steps) > steps  # Lightning's word for never


def test_a_run_ends_by_epochs_or_steps_whichever_come_first() -> None:
    assert total_steps(3, -1, 10) == 30
    assert total_steps(3, 12, 10) == 12
    assert total_steps(None, 12, 10) == total_steps(-1, 12, 10) == 12
