"""Two processes train the model that one does."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from helpers.rounding import BLOCK, rounding
from helpers.toy import CONFIGS, run

SRC = CONFIGS.parent / "src"
RECIPE = [  # an epoch of so many steps, running statistics and early stopping: whatever processes have to agree on
    "batch.steps_per_epoch=3",
    "batch.per_device=2",
    "head.standardise=true",
    "head.dropout=0",
    "optim.lr=1e-2",
    "+callbacks.early_stopping._target_=lightning.pytorch.callbacks.EarlyStopping",
    "+callbacks.early_stopping.monitor=val/top1",
    "+callbacks.early_stopping.mode=max",
    "+callbacks.early_stopping.patience=2",
    "+callbacks.early_stopping.min_delta=1",  # nothing is ever better: it stops after the third epoch
    "trainer.max_epochs=5",
]


@pytest.mark.slow
@pytest.mark.parametrize("adapter", [["adapter.drop_path=0"], ["adapter=side4video_shapes"]], ids=["aim", "side4video"])
def test_two_processes_train_as_one(adapter: list[str], shapes: list[str], tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    recipe = [*shapes, *RECIPE, *adapter]
    run(one, *recipe)
    command = [sys.executable, str(SRC / "train.py"), *recipe, "trainer.devices=2", f"hydra.run.dir={two}"]
    environment = {**os.environ, "PYTHONPATH": str(SRC), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "after epoch 3 of 5: val/top1 was no better 2 times in a row" in done.stdout

    figures = [pd.read_csv(folder / "metrics.csv") for folder in (one, two)]
    losses = [table["train/loss"].dropna().to_numpy() for table in figures]
    assert len(losses[0]) == 9  # three epochs of three steps
    assert losses[1] == pytest.approx(losses[0], abs=rounding(2 * 4 * BLOCK, losses[0].max()))  # four blocks and back
    weights = [
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for folder in (one, two)
    ]
    assert int(weights[0]["classifier.head.standardise.steps"]) == 9
    for name, value in weights[0].items():
        # where a gradient is all but zero, Adam makes a step of either sign out of rounding; on the whole it does not
        difference = (weights[1][name] - value).float().square().mean().sqrt()
        assert difference <= (1e-4 if "standardise" in name else 1e-3), name
