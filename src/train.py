"""Trains adapters in a frozen image transformer on videos: python src/train.py --help"""

import hydra
from omegaconf import DictConfig

from video_adapters.commands import command


@hydra.main(version_base="1.3", config_path="../configs", config_name="train")
def main(cfg: DictConfig) -> float | None:
    """Trains and tests; returns the best figure of validation, which sweeps compare, or None of a job that failed."""
    from video_adapters.training.sweep import run_or_job  # here, so that --help and wrong keys answer at once

    return command.run(lambda: run_or_job(cfg, command.command_line())).get(f"val/{cfg.best_by[cfg.data.labels]}")


if __name__ == "__main__":
    command.set_up()
    command.start(main, "train")
