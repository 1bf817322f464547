"""Settings for the tests of the model."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def _published_attention_by_one_way() -> Iterator[None]:
    """In evaluation nn.MultiheadAttention may run another kernel, whose last digits differ from those in training."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    yield
    torch.backends.mha.set_fastpath_enabled(before)
