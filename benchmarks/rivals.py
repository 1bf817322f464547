"""Trains every rival on the embedded data set, one after the other, and tabulates what they reach.

    python benchmarks/rivals.py                                   # about 40 minutes on two cores
    python benchmarks/rivals.py --only moving_shapes_swin --again

Each row is one `python src/train.py experiment=NAME`. Rows that are in moving_shapes.csv already are kept; Ctrl-C ends
the run in progress and keeps those before it.
"""

import argparse
import csv
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from omegaconf import OmegaConf

from video_adapters.analysis.runs.folder import read_metrics, read_runs
from video_adapters.commands import command
from video_adapters.commands.atomic import replacing
from video_adapters.commands.config import PROJECT
from video_adapters.model.build import cost
from video_adapters.trust.arguments import buildable
from video_adapters.trust.config_file import read_config

from trained import put, train

FOLDER = Path(__file__).parent
TABLE = FOLDER / "moving_shapes.csv"
DOCUMENT = FOLDER / "README.md"

EXPERIMENTS = (
    "moving_shapes_frozen",
    "moving_shapes_full_tuning",
    "moving_shapes_spatial_temporal",
    "moving_shapes",
    "moving_shapes_aim_full_tuning",
    "moving_shapes_timesformer",
    "moving_shapes_swin",
    "moving_shapes_video_swin",
    "moving_shapes_crowded",
)
"""Rows of the table, in its order: what ignores the order of frames first, on each level."""


class Row(NamedTuple):
    """One finished run."""

    experiment: str
    test_top1: float  # fraction of the test videos
    seconds: float  # training and validation
    clips_per_s: float  # median over training
    parameters: int
    trainable_parameters: int
    macs: int  # multiply-accumulates of one view, as published
    device: str
    date: str  # of its start, UTC
    commit: str  # with a plus sign where the checkout differed from it


def main() -> None:
    """Trains what the command line asks for and is not in the table yet."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    rows = read(TABLE)
    todo = [name for name in arguments.only if arguments.again or name not in rows]
    for count, name in enumerate(todo, start=1):
        print(f"\n{count} of {len(todo)}: {name}", flush=True)
        folder = PROJECT / "logs" / "rivals" / name
        train([f"experiment={name}"], folder)
        row = row_of(name, folder)
        rows = read(TABLE) | {name: row}  # read again: another process may have added one
        write(rows.values(), TABLE, DOCUMENT)
    print(f"\n{markdown(rows.values())}\n\nwritten to {TABLE} and {DOCUMENT}")


def row_of(experiment: str, folder: Path) -> Row:
    """What a finished run's folder says of it."""
    run: Any = read_runs(folder).iloc[0]
    config = OmegaConf.create(buildable(read_config(folder), folder))
    return Row(
        experiment=experiment,
        test_top1=round(float(run["test/top1"]), 4),
        seconds=round(float(read_metrics(folder)["speed/seconds"].max()), 1),
        clips_per_s=round(float(run["clips_per_s"]), 1),
        parameters=int(run["parameters"]),
        trainable_parameters=int(run["trainable_parameters"]),
        macs=cost(config).macs,
        device=_device(config.trainer.accelerator),
        date=f"{run['started']:%Y-%m-%d}",
        commit=str(run["git_commit"]),
    )


def read(path: Path) -> dict[str, Row]:
    """The rows that are there, by experiment; none where there is no file."""
    if not path.is_file():
        return {}
    kinds = list(Row.__annotations__.values())
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    rows = [Row(*(kind(line[name]) for name, kind in zip(Row._fields, kinds, strict=True))) for line in lines]
    return {row.experiment: row for row in rows}


def write(rows: Iterable[Row], table: Path, document: Path) -> None:
    """Writes the rows as CSV and puts them as Markdown between the document's two markers of rivals.

    Raises:
        ValueError: where the document lacks the markers.
    """
    rows = sorted(rows, key=_place)
    put(markdown(rows), "rivals", document)
    with replacing(table) as part:
        pd.DataFrame(rows, columns=list(Row._fields)).to_csv(part, index=False)


def markdown(rows: Iterable[Row]) -> str:
    """The table for people."""
    head = "experiment | test top-1 | M parameters | M train | GMACs a view | training | clips/s | on | date | commit"
    lines = [f"| {head} |", "|---|--:|--:|--:|--:|--:|--:|---|---|---|"]
    for row in sorted(rows, key=_place):
        millions = [f"{count / 1e6:.3f}" for count in (row.parameters, row.trainable_parameters)]
        cells = [f"`{row.experiment}`", f"{row.test_top1:.1%}", *millions, f"{row.macs / 1e9:.3f}"]
        minutes, seconds = divmod(round(row.seconds), 60)
        cells += [f"{minutes}:{seconds:02d} min", f"{row.clips_per_s:.0f}", row.device, row.date, _short(row.commit)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _place(row: Row) -> int:
    return EXPERIMENTS.index(row.experiment)


def _short(commit: str) -> str:
    return commit[:8] + "+" * commit.endswith("+")


def _device(accelerator: str) -> str:
    """The device, and of a CPU the threads that a run of this process has."""
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' * (threads > 1)}" if accelerator == "cpu" else torch.cuda.get_device_name()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", nargs="+", choices=EXPERIMENTS, default=EXPERIMENTS, metavar="NAME", help="%(choices)s"
    )
    parser.add_argument("--again", action="store_true", help="train what is in the table already, too")
    return parser.parse_args()


if __name__ == "__main__":
    command.read_environment()
    main()
