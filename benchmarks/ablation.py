"""Puts what `make ablation` found into docs/analysis.md: means and spreads over seeds.

    make ablation && .venv/bin/python benchmarks/ablation.py

The same figures, and more, are in the page that `make ablation` writes. A step's time and a run's are those of the
machine that trained.
"""

import argparse

import pandas as pd

from video_adapters.analysis.questions.ablation import ablation_means
from video_adapters.analysis.runs.folder import read_runs
from video_adapters.analysis.tables import presentable
from video_adapters.commands import command
from video_adapters.commands.config import PROJECT

from trained import put

DOCUMENT = PROJECT / "docs" / "analysis.md"
RUNS = PROJECT / "logs" / "sweeps" / "ablation_crowded"

METHODS = {
    "moving_shapes_frozen": "frozen: final norm and head",
    "moving_shapes_spatial": "+ spatial adapter",
    "moving_shapes_spatial_temporal": "+ temporal adapter",
    "moving_shapes_crowded": "AIM: a joint adapter for the second temporal one, ratio 0.25",
    "moving_shapes_st_adapter": "ST-Adapter",
    "moving_shapes_frame2freq": "Frame2Freq",
    "moving_shapes_zeroi2v": "ZeroI2V",
    "moving_shapes_side4video": "Side4Video",
    "moving_shapes_lora": "LoRA, frame by frame",
    "moving_shapes_adaptformer": "AdaptFormer, frame by frame",
    "moving_shapes_frozen_in_order": "frozen, a head that reads frames in order",
    "moving_shapes_lora_in_order": "LoRA, that head",
    "moving_shapes_adaptformer_in_order": "AdaptFormer, that head",
    "moving_shapes_crowded_in_order": "AIM, that head",
    "moving_shapes_full_tuning": "all of the encoder, frame by frame",
    "moving_shapes_timesformer": "TimeSformer, all of it",
}
"""Experiments: the paper's ladder in its order, AIM's peers, what trains all of the encoder."""

RATIOS = (0.0625, 0.125, 0.5)
"""AIM's other bottlenecks."""

AIM = "moving_shapes_crowded"


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
    """The table of the runs that have been tested, of a configuration and seed the latest, in the order of METHODS."""
    tested = runs[runs["test/top1"].notna()]
    pairs = zip(tested["choices.experiment"], tested["config.adapter.ratio"], strict=True)
    means = ablation_means(tested, pd.Series([_method(*pair) for pair in pairs], tested.index))
    order = [*METHODS.values(), *(_method(AIM, ratio) for ratio in RATIOS)]
    means = means.reindex([name for name in order if name in means.index])
    table = presentable(means.drop(columns="best_val_top1"))
    rows = [["", *table.columns], ["---", *("--:" for _ in table.columns)]]
    rows += [[name, *map(str, row)] for name, row in zip(table.index, table.to_numpy(), strict=True)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _method(experiment: str, ratio: float) -> str:
    if experiment == AIM and float(ratio) in RATIOS:
        return f"AIM, ratio {float(ratio):g}"
    return METHODS.get(experiment, experiment)


if __name__ == "__main__":
    command.read_environment()
    main()
