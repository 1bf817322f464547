"""Costs of runs, counted from their configs."""

from pathlib import Path

import pandas as pd
import pytest

from video_adapters.analysis.runs.counted_costs import with_costs
from video_adapters.analysis.runs.folder import read_runs
from video_adapters.model.build import cost
from video_adapters.training.planning.trace import kept_bytes

from helpers.toy import SMALL, composed
from helpers.written_runs import write_run


@pytest.mark.slow
def test_a_runs_costs_are_those_of_the_cost_command(toy_runs: Path) -> None:
    runs = with_costs(read_runs(toy_runs)).set_index("path").rename(index=lambda path: Path(path).name)
    for name, adapter in (("aim", "aim"), ("none", "none")):
        counts = cost(composed("model=toy_vit", f"adapter={adapter}"))
        assert (runs["macs"][name], runs["macs_run"][name]) == (counts.macs, counts.macs_run)
        assert runs["trainable_parameters"][name] == counts.trainable
        assert runs["kept_bytes"][name] == kept_bytes(composed(*SMALL, f"adapter={adapter}"))
    assert runs["kept_bytes"]["aim"] > 100 * runs["kept_bytes"]["none"] > 0  # a head's input, of every block's tensors
    assert runs["macs"]["half"] > runs["macs"]["aim"] > runs["macs"]["none"]


def test_what_cannot_be_built_any_more_has_no_costs(tmp_path: Path) -> None:
    write_run(tmp_path / "old")
    there = read_runs(tmp_path)
    elsewhere = there.assign(path="https://wandb.ai/me/shapes/runs/1")
    assert with_costs(pd.concat([there, elsewhere]))["macs"].isna().tolist() == [True, True]
