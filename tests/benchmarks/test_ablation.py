"""The table of the ablation in docs/analysis.md is made of the sweep's runs."""

from pathlib import Path

import ablation
import pandas as pd
from omegaconf import OmegaConf

from helpers.toy import CONFIGS


def run(experiment: str, top1: float | None, ratio: float = 0.25, seed: int = 0) -> dict[str, object]:
    return {
        "path": "nowhere",
        "started": pd.Timestamp("2026-01-01"),
        "config.experiment": experiment,
        "config.seed": seed,
        "choices.experiment": experiment,
        "config.adapter.ratio": ratio,
        "test/top1": top1,
        "test/pair": 0.6,
        "trainable_parameters": 1000,
        "wall_time": pd.Timedelta(minutes=2),
        "finished": True,
        "clips_per_s": 40.0,
        "config.batch.per_step": 16,
        "checkpoint_bytes": 9000,
    }


def test_seeds_are_taken_together_in_the_order_of_methods() -> None:
    runs = [run(ablation.AIM, 0.97), run(ablation.AIM, 0.95, seed=1), run(ablation.AIM, None, seed=2)]
    runs += [run(ablation.AIM, 0.1) | {"started": pd.Timestamp("2025-12-31")}]  # the first seed, before it ran again
    runs += [run(ablation.AIM, 0.9, 0.125), run("moving_shapes_frozen", 0.3)]
    lines = ablation.markdown(pd.DataFrame(runs)).splitlines()
    assert lines[0].startswith("|  | runs | top-1, test (%) | right pair")
    assert [line.split(" | ")[:3] for line in lines[2:]] == [
        ["| frozen: final norm and head", "1", "30.0"],
        ["| AIM: a joint adapter for the second temporal one, ratio 0.25", "2", "96.0 ± 1.4"],
        ["| AIM, ratio 0.125", "1", "90.0"],
    ]


def test_the_methods_are_those_that_make_ablation_runs() -> None:
    sweep = OmegaConf.load(CONFIGS / "hparams_search" / "ablation.yaml").hydra
    assert sweep.sweeper.params.experiment.split(",") == list(ablation.METHODS)
    assert ablation.RUNS.name == Path(OmegaConf.to_container(sweep, resolve=False)["sweep"]["dir"]).name
    makefile = (Path(CONFIGS).parent / "Makefile").read_text()
    assert f"ABLATION := {ablation.RUNS.relative_to(ablation.PROJECT)}\n" in makefile
    assert f"experiment={ablation.AIM} adapter.ratio={','.join(map(str, ablation.RATIOS))} seed=0,1,2" in makefile
