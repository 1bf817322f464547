"""Counts a model's parameters and multiply-accumulates: python src/cost.py experiment=aim_ssv2"""

import hydra
from omegaconf import DictConfig

from video_adapters.commands import command


@hydra.main(version_base="1.3", config_path="../configs", config_name="cost")
def main(cfg: DictConfig) -> None:
    """Prints one table per composed config; nothing is downloaded, nothing computed."""
    from video_adapters.catalogue.experiments import print_cost  # here, so that --help answers at once

    command.run(lambda: print_cost(cfg))


if __name__ == "__main__":
    command.set_up()
    command.start(main, "cost")
