"""What `make train` and its rivals promise, in full: order is learned from stills; what ignores order cannot."""

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


def test_nor_does_it_come_within_reach_by_tuning_all_of_the_encoder(overrides: list[str], tmp_path: Path) -> None:
    scores = run(tmp_path, "experiment=moving_shapes_full_tuning", *overrides, "trainer.max_epochs=3")
    assert 0.2 < scores["test/top1"] <= 0.5


def test_time_sformer_learns_motion_from_an_encoder_of_stills(overrides: list[str], tmp_path: Path) -> None:
    assert run(tmp_path, "experiment=moving_shapes_timesformer", *overrides)["test/top1"] > 0.8
