"""The tolerance that other tests take, against sums in two orders."""

import numpy as np
import pytest
import torch

from helpers.rounding import rounding

TERMS, SUMS = 1024, 200


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64], ids=str)
def test_it_holds_for_sums_in_two_orders_and_is_no_wider_than_needed(dtype: torch.dtype) -> None:
    terms = torch.randn(SUMS, TERMS, dtype=torch.float64).to(dtype).numpy()
    forth, back = terms.cumsum(1), terms[:, ::-1].cumsum(1)  # term by term, each rounded
    bounds = np.array([rounding(TERMS**0.5, np.abs(sums).max(), dtype) for sums in forth])
    differences = np.abs(forth[:, -1].astype(float) - back[:, -1])
    assert (differences < bounds).all()
    assert differences.max() > bounds.max() / 10
