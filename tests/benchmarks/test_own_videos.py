"""Recipes for few videos are compared on the same ones, and adapters start where a probe's run ended."""

from pathlib import Path

import pandas as pd
import pytest
from omegaconf import OmegaConf

import own_videos
from helpers.toy import composed
from own_videos import FROM_PROBE, PROBE, Trial


@pytest.mark.parametrize(
    ("head", "ends"),
    [
        ("linear_in_order", {"depth": 3, "pool": "patches"}),
        pytest.param("mean_standardised", {}, marks=pytest.mark.slow),
    ],
)
def test_adapters_start_from_the_head_and_the_features_that_the_probe_chose(
    head: str, ends: dict[str, str | int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(own_videos, "FOLDER", tmp_path)
    folder = Trial(PROBE, 20).folder
    folder.mkdir()
    chosen = composed("experiment=moving_shapes_probe", f"head={head}")
    OmegaConf.save({"model": {"depth": None, "pool": None} | ends, "head": chosen.head}, folder / "config.yaml")
    cfg = composed(*Trial(FROM_PROBE, 20).overrides)
    assert cfg.init_from == str(folder / "checkpoints" / "best.ckpt")
    assert cfg.head == chosen.head
    assert (cfg.model.depth, cfg.model.pool) == (ends.get("depth"), ends.get("pool"))
    assert cfg.data.annotations.num_train == 240


def test_the_table_tells_the_starts_apart_and_a_probe_takes_no_steps() -> None:
    run = {"path": "nowhere", "test/top1": 0.5, "best_val_top1": 0.4, "steps": 100, "config.batch.per_step": 16}
    names = [Trial(recipe, 20).name for recipe in (PROBE, FROM_PROBE, "own_videos")]
    lines = own_videos.markdown(pd.DataFrame([run] * 3, index=names)).splitlines()[2:]
    assert [line.split(" | ")[-2:] for line in lines] == [["–", "– |"], ["100", "1600 |"], ["100", "1600 |"]]
    assert len({line.split(" | ")[0] for line in lines}) == 3
