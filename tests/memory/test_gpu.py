"""Cards."""

import pytest
import torch

from video_adapters.memory.gpu import CONTEXT, LAUNCH, REACHED, Gpu
from video_adapters.memory.storage_log import Work

FACTS = {"name": "made up", "memory": 11.0, "capability": 6.1, "fp32": 10.0, "fp16": 40.0, "bandwidth": 500.0}


def test_a_step_may_take_95_percent_of_what_the_context_leaves() -> None:
    gib = Gpu(**FACTS).limit / 2**30  # type: ignore[arg-type]
    assert gib == pytest.approx((11 - CONTEXT) * 0.95, abs=1e-3)


def test_capability_is_read_in_two_digits() -> None:
    assert Gpu(**FACTS).version == (6, 1)  # type: ignore[arg-type]
    assert Gpu(**{**FACTS, "capability": 12.0}).version == (12, 0)  # type: ignore[arg-type]


def test_products_take_flops_and_all_else_bytes_but_no_operator_less_than_its_launch() -> None:
    gpu = Gpu(**FACTS)  # type: ignore[arg-type]
    work = [Work(10**12, (10**9,)), Work(0, (10**9 // 2, 10**9 // 2)), Work(0, (4,))]
    tail = 1 / 500 + LAUNCH
    assert gpu.seconds(work, None) == pytest.approx(1 / (10 * REACHED) + tail)
    assert gpu.seconds(work, torch.float16) == pytest.approx(1 / (40 * REACHED) + tail)


@pytest.mark.parametrize("wrong", [{"memory": 0}, {"bandwidth": -1}, {"capability": 3.5}])
def test_impossible_cards_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be above 0, capability at least"):
        Gpu(**{**FACTS, **wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize("memory", [0.4, CONTEXT])
def test_cards_that_the_context_fills_are_refused(memory: float) -> None:
    with pytest.raises(ValueError, match=rf"gpu\.memory is {memory} GiB, and CUDA's context alone takes 0\.5"):
        Gpu(**{**FACTS, "memory": memory})  # type: ignore[arg-type]
