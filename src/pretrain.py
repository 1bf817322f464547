"""Trains a small image encoder of `data=moving_shapes` on stills: python src/pretrain.py model=shapes_swin"""

import shlex
import sys

import hydra
from omegaconf import DictConfig

from video_adapters.commands import command


@hydra.main(version_base="1.3", config_path="../configs", config_name="pretrain")
def main(cfg: DictConfig) -> None:
    """Writes the encoder's weights and prints what a linear map reads from its feature."""
    from video_adapters.pretraining.make_encoder import make_encoder  # here, so that wrong keys answer at once

    words = shlex.join(["python", "src/pretrain.py", *sys.argv[1:]])
    command.run(lambda: make_encoder(cfg, words))


if __name__ == "__main__":
    command.set_up()
    command.start(main, "pretrain")
