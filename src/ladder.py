"""Climbs from a frozen encoder to adapters: python src/ladder.py data=folders data.root=/videos/mine minutes=30

Class names, probes of frozen features, adapters from the best probe, longer ones: each rung is a run of src/train.py,
whose command is printed. The same command goes on where it was stopped. docs/ladder.md says more.
"""

import argparse

from video_adapters.commands import command


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add(
        "words",
        nargs="*",
        metavar="KEY=VALUE",
        help="minutes=N (30): what does not fit is not started; folder=PATH (logs/ladders/...); experiment=NAME of the "
        "adapters (that of the data's name, or own_videos); any other key of src/train.py",
    )
    return parser


def main() -> None:
    words = arguments().parse_args().words
    command.run(lambda: climb(words))


def climb(words: list[str]) -> None:
    from video_adapters.training.ladder import climb  # here, so that --help answers at once

    climb.climb(words)


if __name__ == "__main__":
    command.set_up()
    main()
