"""Tries the recipe for small data sets beside the paper's, on the same few videos.

    python benchmarks/own_videos.py                      # an hour or so on two cores
    python benchmarks/own_videos.py --only probe_20 own_videos_from_the_probe_20

The videos are the moving shapes in a crowd. Finished runs are kept, under logs/own_videos; Ctrl-C
ends the run in progress, and the same command goes on with the others.
"""

import argparse
import signal
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from video_adapters.analysis.runs.folder import read_runs
from video_adapters.commands import command
from video_adapters.commands.config import PROJECT
from video_adapters.training.ladder.rungs import BEST, from_probe

from trained import put, train

FOLDER = PROJECT / "logs" / "own_videos"
DOCUMENT = Path(__file__).parent / "README.md"

TOY = (
    "data=moving_shapes_crowded",
    "model=shapes_vit",
    "trainer.accelerator=cpu",
    "trainer.precision=32-true",
    "batch.per_device=16",
)
"""What any recipe is tried on."""

PROBE = "probe"
FROM_PROBE, SLOW_HEAD = "own_videos from the probe", "own_videos from the probe, slow head"
# Adam moves each weight by about its rate, and a sum over D of them by D times that: with a width of 64 instead of 768,
# rates are larger by about as much. This is the one of experiment=moving_shapes.
OWN = ("experiment=own_videos", "adapter=aim_shapes", "optim.lr=5e-3")
RECIPES = {
    # not on validation, which is to choose among steps of adapters whose head has not learned it
    PROBE: ("experiment=probe", "probe.fit_validation=false"),
    FROM_PROBE: OWN,
    SLOW_HEAD: (*OWN[:-1], "optim.lr=5e-4", "optim.backbone_lr_ratio=10"),
    "own_videos": OWN,
    "paper": ("experiment=aim_ssv2", "adapter=aim_shapes"),
    "paper, fast": ("experiment=aim_ssv2", "adapter=aim_shapes", "optim.lr=5e-3"),
}
SIZES = (100, 20)
"""Training videos of each of the 12 classes."""


class Trial(NamedTuple):
    """A recipe on so many videos."""

    recipe: str
    size: int

    @property
    def name(self) -> str:
        return f"{self.recipe.replace(',', '').replace(' ', '_')}_{self.size}"

    @property
    def folder(self) -> Path:
        return FOLDER / self.name

    @property
    def overrides(self) -> list[str]:
        """Words of its command.

        Raises:
            ValueError: it starts from a probe, which has not been run.
        """
        probe = Trial(PROBE, self.size).folder
        start = from_probe(probe, probe / BEST) if self.recipe in (FROM_PROBE, SLOW_HEAD) else []
        return [*RECIPES[self.recipe], *TOY, f"data.annotations.num_train={12 * self.size}", *start]


TRIALS = tuple(Trial(recipe, size) for size in SIZES for recipe in RECIPES)


def main() -> None:
    """Trains what is not there yet and tabulates all that is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [trial.name for trial in TRIALS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help="%(choices)s")
    parser.add_argument("--again", action="store_true", help="train what is there already, too")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    done = [] if arguments.again else finished().index
    todo = [trial for trial in TRIALS if trial.name in arguments.only and trial.name not in done]
    for count, trial in enumerate(todo, start=1):
        print(f"\n{count} of {len(todo)}: {trial.name}", flush=True)
        train(trial.overrides, trial.folder)
    table = markdown(finished())
    put(table, "own_videos", DOCUMENT)
    print(f"\n{table}\n\nwritten to {DOCUMENT}")


def finished() -> pd.DataFrame:
    """The runs that came to their test, by the names of the trials."""
    if not any(FOLDER.glob("*/run.json")):
        return pd.DataFrame()
    runs = read_runs(FOLDER)
    runs = runs[runs["test/top1"].notna()] if "test/top1" in runs else runs[:0]
    return runs.set_index(runs["path"].map(lambda path: Path(path).name))


def markdown(runs: pd.DataFrame) -> str:
    """The table for people, of the trials that are among the runs."""
    lines = [
        "| recipe | videos a class | test top-1 | best val top-1 | steps | clips seen |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for trial in (trial for trial in TRIALS if trial.name in runs.index):
        run = runs.loc[trial.name]
        words = " ".join(RECIPES[trial.recipe]) + (
            " init_from=PROBE ..." if trial.recipe in (FROM_PROBE, SLOW_HEAD) else ""
        )
        scores = f"{run['test/top1']:.1%} | {run['best_val_top1']:.1%}"
        length = "– | –"  # of a probe
        if trial.recipe != PROBE:
            length = f"{run['steps']} | {run['steps'] * run['config.batch.per_step']}"
        lines.append(f"| `{words}` | {trial.size} | {scores} | {length} |")
    return "\n".join(lines)


if __name__ == "__main__":
    command.read_environment()
    main()
