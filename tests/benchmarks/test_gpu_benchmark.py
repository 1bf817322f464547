"""Predicted and measured memory on a card."""

import pytest
import torch

import gpu


@pytest.mark.parametrize("case", gpu.CASES)
def test_every_case_composes_and_draws_nothing_at_random(case: str) -> None:
    cfg = gpu.composed(case, "16-mixed")
    assert cfg.trainer.precision == "16-mixed"
    assert cfg.head.dropout == 0
    assert cfg.adapter.get("drop_path", 0) == 0


def test_a_row_says_how_far_it_is_off() -> None:
    row = gpu.Row("aim_ssv2", "16-mixed", 4 * gpu.GIB, 5 * gpu.GIB, 3 * gpu.GIB, 70.4, 1.01)
    cells = gpu.line(row, exact=1.0).strip("| ").split(" | ")
    assert cells == ["aim_ssv2", "16-mixed", "4.00", "5.00", "+25.0%", "3.00", "70", "1.01000 (+1.00%)"]


@pytest.mark.gpu
@pytest.mark.parametrize("precision", gpu.PRECISIONS)
def test_a_card_takes_what_is_predicted_and_every_precision_has_the_loss_of_fp32(precision: str) -> None:
    row, exact = gpu.measure_apart("aim_ssv2", precision), gpu.measure_apart("aim_ssv2", "32-true")
    assert row.reserved == pytest.approx(row.predicted, rel=0.1)  # what docs/memory.md says of predictions
    half = {"32-true": 0.0, "16-mixed": torch.finfo(torch.float16).eps, "bf16-mixed": torch.finfo(torch.bfloat16).eps}
    assert row.loss == pytest.approx(exact.loss, rel=12 * half[precision])  # a rounding for each of 12 blocks
