"""Plans how an experiment fits a card: python src/plan.py experiment=aim_ssv2 gpu=gtx1080ti"""

import hydra
from omegaconf import DictConfig

from video_adapters.commands import command


@hydra.main(version_base="1.3", config_path="../configs", config_name="plan")
def main(cfg: DictConfig) -> None:
    """Prints what was considered and the command of what was chosen; nothing is downloaded, nothing computed."""
    from video_adapters.training.planning.plan import print_plan  # here, so that --help answers at once

    command.run(lambda: print_plan(cfg, command.command_line()))


if __name__ == "__main__":
    command.set_up()
    command.start(main, "plan")
