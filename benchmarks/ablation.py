"""Puts what `make ablation` found into docs/analysis.md: means and spreads over seeds.

    make ablation && .venv/bin/python benchmarks/ablation.py

The same figures, and more, are in the page that `make ablation` writes.
"""

import argparse

import pandas as pd

from video_adapters.analysis.runs.configurations import mean_and_spread, without_repeats
from video_adapters.analysis.runs.counted_costs import with_costs
from video_adapters.analysis.runs.folder import read_runs
from video_adapters.analysis.tables import presentable
from video_adapters.commands import command
from video_adapters.commands.config import PROJECT

from trained import put

DOCUMENT = PROJECT / "docs" / "analysis.md"
RUNS = PROJECT / "logs" / "sweeps" / "ablation"

LADDER = {
    "moving_shapes_frozen": "frozen: final norm and head",
    "moving_shapes_spatial": "+ spatial adapter",
    "moving_shapes_spatial_temporal": "+ temporal adapter",
    "moving_shapes": "AIM: a joint adapter for the second temporal one, ratio 0.25",
    "moving_shapes_st_adapter": "ST-Adapter",
    "moving_shapes_zeroi2v": "ZeroI2V",
    "moving_shapes_lora": "LoRA",
}
"""Experiments in the paper's order, then AIM's peers."""

RATIOS = (0.0625, 0.125, 0.5)
"""AIM's other bottlenecks."""

COLUMNS = ("test/top1", "test/pair", "trainable_parameters", "macs", "minutes")


def main() -> None:
    """Reads the runs and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=command.path, default=RUNS, help="folder of the sweep (default: %(default)s)")
    parser.add_argument(
        "--document", type=command.path, default=DOCUMENT, help="for the table (default: docs/analysis.md)"
    )
    arguments = parser.parse_args()
    table = markdown(read_runs(arguments.runs))
    put(table, "ablation", arguments.document)
    print(f"{table}\n\nwritten to {arguments.document}")


def markdown(runs: pd.DataFrame) -> str:
    """The table of the runs that have been tested, of a configuration and seed the latest, in the ladder's order."""
    tested = with_costs(without_repeats(runs[runs["test/top1"].notna()]))
    tested["minutes"] = pd.to_timedelta(tested["wall_time"]).dt.total_seconds() / 60
    method = [_method(*pair) for pair in zip(tested["choices.experiment"], tested["config.adapter.ratio"], strict=True)]
    means = mean_and_spread(tested, pd.Series(method, tested.index, name="adapters"), list(COLUMNS))
    order = [*LADDER.values(), *(_method("moving_shapes", ratio) for ratio in RATIOS)]
    table = presentable(means.reindex([name for name in order if name in means.index]))
    rows = [["", *table.columns], ["---", *("--:" for _ in table.columns)]]
    rows += [[name, *map(str, row)] for name, row in zip(table.index, table.to_numpy(), strict=True)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _method(experiment: str, ratio: float) -> str:
    if experiment == "moving_shapes" and float(ratio) in RATIOS:
        return f"AIM, ratio {float(ratio):g}"
    return LADDER.get(experiment, experiment)


if __name__ == "__main__":
    command.read_environment()
    main()
