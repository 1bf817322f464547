"""Seeds for what tests draw from global generators."""

import random
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from lightning.pytorch.utilities.seed import isolate_rng


@contextmanager
def seeded(name: str, seed: int) -> Iterator[None]:
    """Global generators start from `seed` and `name`, and go on afterwards as if nothing had been drawn."""
    number = zlib.crc32(f"{seed} {name}".encode())
    with isolate_rng(include_cuda=False):  # a test on the card seeds it; no other wakes it up
        random.seed(number)
        np.random.seed(number)  # noqa: NPY002 (the global one is meant)
        torch.default_generator.manual_seed(number)  # torch.manual_seed keeps a trace of its caller per kind of device
        if torch.cuda.is_initialized():
            torch.cuda.manual_seed_all(number)
        yield
