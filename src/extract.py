"""Computes features of a frozen encoder: python src/extract.py experiment=own_videos data.root=/videos/mine"""

import hydra
from omegaconf import DictConfig

from video_adapters.commands import command


@hydra.main(version_base="1.3", config_path="../configs", config_name="extract")
def main(cfg: DictConfig) -> None:
    """Computes what is missing of the training, validation and test videos, and says where it is."""
    from video_adapters.features.extract import extract  # here, so that --help answers at once

    command.run(lambda: extract(cfg))


if __name__ == "__main__":
    command.set_up()
    command.start(main, "extract")
