"""The hours that a plan promises for a whole run."""

from pathlib import Path

import pytest

from video_adapters.training.planning.duration import duration

from helpers.toy import SMALL, composed


def test_hours_are_steps_times_seconds_of_the_data_set_as_published() -> None:
    cfg = composed("experiment=aim_ssv2", "data.root=/nowhere")
    said = duration(cfg, 2.0, "ssv2")
    steps = 50 * 2640  # 168 913 / 64 = 2639.3
    assert f"about {steps * 2 / 3600:.0f} hours ({steps * 2 / 86400:.1f} days) = {steps} steps x 2 s" in said
    assert "of 168913 training videos (as published)" in said
    assert "32 clips a second" in said
    for word in ("Assumed", "half of what the card can do", "Validation and test come on top"):
        assert word in said


def test_a_recipe_of_so_many_steps_needs_no_videos_and_shares_and_limits_count() -> None:
    assert "about 1.1 hours = 2000 steps x 2 s" in duration(
        composed("experiment=own_videos", "data.root=/x"), 2.0, None
    )
    cfg = composed("experiment=aim_ssv2", "data.root=/nowhere", "data.fraction=0.1", "trainer.max_epochs=1")
    assert "= 264 steps x" in duration(cfg, 2.0, "ssv2")  # 16 891 / 64 = 263.9
    cfg = composed("experiment=aim_ssv2", "data.root=/nowhere", "trainer.max_steps=30")
    assert "about 1 min = 30 steps x 2 s" in duration(cfg, 2.0, "ssv2")


def test_videos_that_are_there_are_counted(shapes_list: Path) -> None:
    words = [*SMALL, "data=list", f"data.root={shapes_list}", "data.num_classes=12", "data.image_size=40"]
    said = duration(composed(*words), 1.0, "list")
    assert "= 5 steps x 1 s" in said  # 36 videos, 8 a step
    assert f"of 36 training videos (in {shapes_list})" in said


@pytest.mark.parametrize(
    ("data", "videos"), [("moving_shapes", 1440), ("moving_shapes_noisy", 1440), ("moving_shapes_crowded", 2880)]
)
def test_those_of_the_embedded_data_need_not_be_rendered(data: str, videos: int) -> None:
    said = duration(composed(f"data={data}", "data.root=/nowhere"), 1.0, data)
    assert f"of {videos} training videos (rendered where they are not yet)" in said


def test_an_unknown_number_of_videos_is_said_with_what_to_give() -> None:
    cfg = composed("experiment=aim_k400", "data=folders", "data.root=/nowhere", "data.num_classes=3")
    assert "give data.root=FOLDER, or trainer.max_steps=N" in duration(cfg, 1.0, "folders")


@pytest.mark.parametrize(
    ("seconds", "words"), [(1, "1 min"), (1700, "28 min"), (7200, "2.0 hours"), (72_000, "20 hours")]
)
def test_times_are_in_the_unit_that_fits(seconds: float, words: str) -> None:
    cfg = composed("experiment=aim_ssv2", "data.root=/nowhere", "trainer.max_steps=1")
    assert f"about {words} = 1 step x" in duration(cfg, seconds, "ssv2")
