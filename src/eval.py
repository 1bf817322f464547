"""Scores a checkpoint: python src/eval.py checkpoint=RUN/checkpoints/best.ckpt"""

import hydra
from omegaconf import DictConfig

from video_adapters.commands import command


@hydra.main(version_base="1.3", config_path="../configs", config_name="eval")
def main(cfg: DictConfig) -> None:
    """Rebuilds the model from the checkpoint's own config and tests it."""
    from video_adapters.training.evaluate import evaluate_or_tell  # here, so that --help answers at once

    command.run(lambda: evaluate_or_tell(cfg))


if __name__ == "__main__":
    command.set_up()
    command.expect_key_for_file("checkpoint")
    command.start(main, "eval", opened=True)
