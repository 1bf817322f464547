"""What a test draws depends on its name, and on nothing that ran before it."""

import random

import numpy as np
import pytest
import torch

from helpers.seeds import seeded

NAME = "tests/test_seeds.py"


def draw() -> list[float]:
    """One number of every global generator."""
    return [random.random(), np.random.random(), torch.rand(()).item()]  # noqa: NPY002


@pytest.fixture(scope="module")
def shared() -> list[float]:
    return draw()


def test_a_test_draws_from_a_seed_of_its_own(request: pytest.FixtureRequest) -> None:
    ours = draw()
    with seeded(f"{NAME}::{request.node.name}", request.config.getoption("--seed")):
        assert draw() == ours
    with seeded(f"{NAME}::another", request.config.getoption("--seed")):
        assert not set(draw()) & set(ours)


def test_what_tests_share_draws_from_its_own_and_takes_nothing_from_the_one_that_asks_first(
    request: pytest.FixtureRequest,
) -> None:
    ours = [draw(), request.getfixturevalue("shared"), draw()]
    seed = request.config.getoption("--seed")
    with seeded(f"{NAME}::{request.node.name}", seed):
        expected = [draw(), draw()]
    with seeded(f"{NAME}::shared[0]", seed):
        expected.insert(1, draw())
    assert ours == expected
