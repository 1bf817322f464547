"""docs/models.md: every experiment with its costs, what is published of it, and what was measured here."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

import pandas as pd

from video_adapters.catalogue.encoder_list import CONFIG_COLUMNS, config_rows
from video_adapters.catalogue.experiments import Experiment, count_experiment, gmacs_a_video, variants
from video_adapters.commands.config import PROJECT, config_names

DOCUMENT = PROJECT / "docs" / "models.md"
MEASURED = PROJECT / "benchmarks" / "moving_shapes.csv"

DATA_SETS = {
    "ssv2": "Something-Something v2",
    "k400": "Kinetics-400",
    "k700": "Kinetics-700",
    "diving48": "Diving-48",
    "moving_shapes": "Moving shapes, the embedded data set",
    "moving_shapes_crowded": "Moving shapes in a crowd, its second level",
    "moving_shapes_pairs": "Moving shapes in pairs, two labels a video",
    "folders": "Your own videos, as an example",
}
"""Titles of data configs, in the order of the document."""

INTRODUCTION = """\
# Models

Every experiment under `configs/experiment`, counted without weights or data. This file is written by `make models`
(`python src/models.py`); a test fails when it is out of date.

- **params, tunable:** millions, the classifier included. Tunable is what trains: what the method adds or tunes, and the
  head. Where the two are equal, everything trains.
- **GMACs a view:** multiply-accumulates of convolutions, linears, QK^T and AV, for one clip and crop, as published: of
  the network that is deployed, where adapters that are linear maps (ZeroI2V's, LoRA's) are folded into the encoder and
  cost nothing. **As run:** in training, without what the last block would compute for tokens that nothing reads, and
  with the layer after an attention and the first of its adapter taken for one.
- **views:** clips x crops of the test protocol. **GMACs a video:** GMACs a view, as published, times views; the papers
  call these GFLOPs.
- **published:** top-1 accuracy in %, as its source reports it; these figures stand in `published.yaml`. **ours:** the
  same, measured with this code. A dash stands for a number that we do not know."""

COMPARISON = """\
## Next to the official counts

Official parameters and GMACs were counted by running the official releases, to the digits shown; those of the ablation
(`frozen_ssv2`, `spatial_ssv2`, `spatial_temporal_ssv2`, `aim_ssv2_imagenet21k`) are printed in the paper. So are the
GFLOPs in the last column, of all views. There the paper doubles its figure where the frames double, although attention
over time grows with their square: right counts are up to 0.3 % more."""

ENCODERS = """\
## Encoders

Those of `configs/model`, as their libraries have them. **params:** millions, of the image tower at the pixels that its
weights were trained on; other sizes are `data.image_size=`, a multiple of the patch. **prefix:** tokens ahead of the
patches (class token, registers). **feature:** how the library makes a frame's feature of its tokens, which `model.pool`
changes. **licence:** of the weights, as the libraries state it; one that is not free is told whenever they are used.

Any other network of timm or open_clip that fits goes by its name: `model=timm model.name=NETWORK.WEIGHTS`,
`model=open_clip model.name=NETWORK model.weights=WEIGHTS`. `python src/models.py --encoders` lists them
(`--encoders dinov3`: those with that in their names), without a network."""

NOTES = {
    "aim_swin": "The bias over frame distance trains here; in the official release it stayed at its random start, "
    "frozen by its name. In Swin-B with 16 time tokens it has 31 distances x 188 heads, those of the 12 even blocks: "
    "5828 parameters.",
    "timesformer": "As in the TimeSformer that AIM's authors compare with, each frame keeps its class token, which "
    "attends over time, and the linear layer after that attention starts at zero in every block (in Bertasius et al. "
    "one class token stands for the clip, and the first block's layer does not start at zero). The official count is "
    "that file's on CLIP's ViT-B/16, which has 768 parameters more than ImageNet's: a norm ahead of its blocks (1536), "
    "but no bias on its patches (768).",
    "side4video_ssv2": "Published with 2 clips x 3 crops.",
    "side4video": "Layer norms in the place of the published BatchNorm3d, and no weights in those of the encoder's "
    "tokens, ahead of a linear layer (2 x 768 fewer in each of 12 layers).",
    "frame2freq": "Every scale has kernels of its own here, which start at zero, without biases. In the release all "
    "scales share one, which starts at random, and its input is a view that mixes axes; what is published is of that.",
    "aim_k400_vit_l14": "The 2902 that the paper prints at 8 frames is a misprint of 2802, half its 5604 at 16 frames.",
}
"""How definitions differ, by adapter or experiment."""


def document() -> str:
    """The whole text of docs/models.md."""
    experiments = [variant for name in config_names("experiment") for variant in variants(name)]
    experiments.sort(key=_data_set)  # stable: by name within
    measured = read_measured(MEASURED)
    parts = [INTRODUCTION]
    for data, group in groupby(experiments, key=lambda e: e.choices.data):
        rows = list(group)
        title = f"## {DATA_SETS.get(data, data)} ({rows[0].cfg.data.num_classes} classes)"
        parts += [title, table(COLUMNS, [row(e, measured) for e in rows])]
    compared = [e for e in experiments if e.published.params or e.published.tunable or e.published.gmacs]
    parts += [COMPARISON, table(COMPARED, [comparison(e) for e in compared])]
    parts += [ENCODERS, table(CONFIG_COLUMNS, config_rows())]
    used = {key: None for e in experiments for key in _notes(e)}
    parts += [f"[^{key}]: {NOTES[key]}" for key in used]
    return "\n\n".join(parts) + "\n"


COLUMNS = (
    "experiment", "frames", "model", "adapter", "params", "tunable", "GMACs a view", "as run", "views", "GMACs a video",
    "published", "source", "ours",
)  # fmt: skip


def row(experiment: Experiment, measured: dict[str, float]) -> list[str]:
    """An experiment's cells in the table of its data set."""
    top1, ours = experiment.published.top1, measured.get(experiment.name)
    cells = counted_cells(experiment) | {
        "model": f"`{experiment.choices.model}`",
        "adapter": f"`{experiment.choices.adapter}`",
        "published": _or_dash(top1),
        "source": _or_dash(None if top1 is None else experiment.source),
        "ours": "not run" if ours is None else f"{ours:.1%}".rstrip("%"),
    }
    return [cells[column] for column in COLUMNS]


COMPARED = (
    "experiment", "frames", "params", "official", "tunable", "official", "GMACs a view", "official", "GMACs a video",
    "paper",
)  # fmt: skip


def comparison(experiment: Experiment) -> list[str]:
    """An experiment's counts, each with the official one after it."""
    cells, official = counted_cells(experiment), experiment.published
    reported = iter((official.params, official.tunable, official.gmacs, official.gflops))
    return [cells[column] if column in cells else _or_dash(next(reported)) for column in COMPARED]


def counted_cells(experiment: Experiment) -> dict[str, str]:
    """What is counted of an experiment, by column."""
    counts = count_experiment(experiment.name, experiment.published.frames)
    clips, crops = experiment.views
    return {
        "experiment": f"`{experiment.name}`" + "".join(f"[^{key}]" for key in _notes(experiment)),
        "frames": str(experiment.published.frames),
        "params": f"{counts.params / 1e6:.3f}",
        "tunable": f"{counts.trainable / 1e6:.3f}",
        "GMACs a view": f"{counts.macs / 1e9:.3f}",
        "as run": f"{counts.macs_run / 1e9:.3f}",
        "views": f"{clips} x {crops}",
        "GMACs a video": gmacs_a_video(counts.macs, clips * crops),
    }


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, numbers to the right."""
    rows = list(rows)
    numbers = [
        all(cell[:1].isdigit() or cell in ("–", "not run") for cell in cells) for cells in zip(*rows, strict=True)
    ]
    lines = [columns, ["--:" if number else "---" for number in numbers], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def read_measured(path: Path) -> dict[str, float]:
    """Top-1 on the test videos by experiment, as a fraction, from a benchmark's file; nothing where there is none.

    Raises:
        ValueError: for a score that is no fraction.
    """
    if not path.is_file():
        return {}
    scores = pd.read_csv(path, index_col="experiment")["test_top1"]
    if len(wrong := scores[~scores.between(0, 1)]):
        raise ValueError(f"{path}: test_top1 is {wrong.to_dict()}, expected fractions from 0 to 1")
    return dict(scores)


def _data_set(experiment: Experiment) -> tuple[int, str]:
    order, data = list(DATA_SETS), experiment.choices.data
    return (order.index(data) if data in order else len(order), data)


def _notes(experiment: Experiment) -> list[str]:
    return [key for key in (experiment.choices.adapter, experiment.name) if key in NOTES]


def _or_dash(value: float | str | None) -> str:
    return "–" if value is None else str(value)
