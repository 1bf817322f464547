"""Complete runs on a toy encoder and a handful of rendered videos, inside the test's own process."""

from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from video_adapters.commands import command
from video_adapters.data.shapes.moving_shapes import MovingShapes
from video_adapters.training.evaluate import evaluate
from video_adapters.training.run import train

from helpers.compose_once import CONFIGS

SMALL = [
    "model=toy_vit",
    "logger=csv",
    "trainer.accelerator=cpu",
    "trainer.precision=32-true",
    "trainer.log_every_n_steps=1",
    "~callbacks.speed",  # it counts the model's FLOPs, in a third of such a run's time; WITH_SPEED undoes it
    "trainer.max_epochs=1",
    "schedule.warmup_epochs=0",
    "data.num_workers=0",
    "batch.per_step=8",
    "batch.per_device=4",
]
"""Overrides that shorten any experiment."""

WITH_SPEED = "+callbacks.speed._target_=video_adapters.training.callbacks.speed.Speed"

COUNTS = {"num_train": 36, "num_val": 24, "num_test": 24}
SHAPES = [*(f"++data.annotations.{name}={count}" for name, count in COUNTS.items()), "++data.annotations.crowd=0"]
"""Overrides that make the embedded data small, one shape a video: 36 videos are 4 steps of 8 clips and one of 4."""


def render(root: Path) -> MovingShapes:
    """The small data set that SHAPES describes, on disk."""
    annotations = MovingShapes(str(root), **COUNTS)
    annotations.prepare()
    return annotations


def composed(*overrides: str, config: str = "train") -> DictConfig:
    """The config that the command line would compose."""
    command.read_environment()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose(config, list(overrides))


def run(folder: Path, *overrides: str) -> dict[str, float]:
    """Trains in this process, as `python src/train.py` would with these overrides."""
    return train(composed(*overrides, f"run_dir={folder}", "name=toy"), list(overrides))


def score(folder: Path, *overrides: str) -> dict[str, float]:
    """Evaluates in this process, as `python src/eval.py` would with these overrides."""
    return evaluate(composed("logger=csv", *overrides, f"run_dir={folder}", config="eval"))
