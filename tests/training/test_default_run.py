"""What `make train` promises, in full: order is learned from stills, and whatever ignores order cannot."""

from pathlib import Path

import pytest

from toy import run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def overrides(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return [f"data.root={tmp_path_factory.mktemp('moving_shapes')}", "logger=csv", "trainer.accelerator=cpu"]


def test_aim_learns_motion_from_an_encoder_of_stills(overrides: list[str], tmp_path: Path) -> None:
    assert run(tmp_path, *overrides)["test/top1"] >= 0.9


def test_without_adapters_order_stays_out_of_reach(overrides: list[str], tmp_path: Path) -> None:
    assert run(tmp_path, *overrides, "adapter=none", "trainer.max_epochs=3")["test/top1"] <= 0.5
