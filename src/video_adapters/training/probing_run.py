"""A run whose head is the best of many probes of a frozen encoder's features."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import wandb
from hydra.utils import instantiate
from lightning.pytorch.loggers import WandbLogger
from omegaconf import DictConfig, open_dict
from rich.table import Table
from torch import Tensor

from video_adapters.commands.atomic import replacing
from video_adapters.commands.config import choices
from video_adapters.commands.intervals import percent
from video_adapters.commands.terminal import console
from video_adapters.commands.wording import counted
from video_adapters.data.from_config import build_data, with_classes_counted
from video_adapters.features.kinds import OWN, asked_kind
from video_adapters.features.open_store import open_store
from video_adapters.features.probing.candidate import Candidate, Reading, Row
from video_adapters.features.probing.choose import Search
from video_adapters.features.probing.from_stores import StoredFeatures
from video_adapters.features.probing.probe_settings import Probing
from video_adapters.model.backbone import Backbone
from video_adapters.model.build import build_frozen, build_head, build_outline
from video_adapters.model.hardware import make_ready
from video_adapters.model.heads.head import Head
from video_adapters.training.optional import optional
from video_adapters.training.record import refuse_another
from video_adapters.training.run import train
from video_adapters.training.scores import Scores
from video_adapters.training.solution import Solution

SHOWN = 10  # rows of the table on the terminal and in W&B; probes.csv has all


def probe(cfg: DictConfig, overrides: list[str]) -> dict[str, float]:
    """Compares probes as `cfg.probe` says, and makes of the best one a run like any other, which is tested once.

    Args:
        cfg: composed from `configs/train.yaml`.
        overrides: what the command line changed.

    Returns: what `train` does; val/top1 is of videos that probes were held out from.

    Raises:
        ValueError: for whatever in config, data or weights stands in the way.
    """
    refuse_another(Path(cfg.run_dir))
    if cfg.data.get("labels", "one") == "multi":
        raise ValueError(
            "probes tell classes that exclude each other apart, and data.labels is multi: train the head alone "
            "instead, by adapter=frozen without probe"
        )
    cfg = with_classes_counted(cfg)
    if trains := [name for name in build_outline(cfg).trainable() if not name.startswith("head.")]:
        raise ValueError(
            f"a probe is of a frozen encoder, but {trains[0]} would train: give adapter=frozen, and start adapters "
            "from the probe's run by init_from=RUN/checkpoints/best.ckpt"
        )
    L.seed_everything(cfg.seed, workers=False, verbose=False)
    backbone = build_frozen(cfg)
    search = _searched(cfg, backbone)
    rows = sorted(search.rows, key=lambda row: -row.held_out)
    best = search.best
    _print(rows, f"{counted(len(rows), 'probe')}, by what {counted(len(search.clips.folds), 'fold')} held out")

    def note(loggers: Sequence[Any]) -> None:
        _write(Path(cfg.run_dir) / "probes.csv", rows, best)
        for logger in loggers:
            if isinstance(logger, WandbLogger):
                with optional("W&B's table of probes"):
                    _log(logger, rows[:SHOWN])

    head = choices().get(f"head@probe.heads.{_head_key(cfg, best.candidate.head, best.candidate.space.reads)}")
    chosen = {"head": head} if head else {}
    solution = Solution(search.refitted().state_dict(), _scores(search), note, chosen)
    return train(_run_config(cfg, backbone, best.candidate), overrides, solution)


def _searched(cfg: DictConfig, backbone: Backbone) -> Search:
    """The search over what the backbone says of the training and validation videos."""
    settings: Probing = instantiate({key: value for key, value in cfg.probe.items() if key != "heads"}, _convert_="all")
    make_ready(backbone, cfg)
    data = build_data(cfg)
    stores = {use: open_store(backbone, cfg, data, use, tokens="pooled") for use in ("train", "val")}
    for store in stores.values():
        store.compute()
    stored = StoredFeatures(stores, data)

    def head_of(name: str, reads: Reading, features: Tensor) -> Head:
        _, num_times, width = features.shape
        sizes = {"width": width, "num_times": num_times, "num_classes": data.num_classes}
        return build_head(_head_config(cfg, name, reads), **sizes)

    search = Search(stored.read, stored.clips(settings.folds, settings.fit_validation), settings, head_of)
    return search.run(stored.layers, stored.kinds)


def _head_config(cfg: DictConfig, name: str, reads: Reading) -> DictConfig:
    config: DictConfig = cfg.probe.heads[_head_key(cfg, name, reads)]
    return config


def _head_key(cfg: DictConfig, name: str, reads: Reading) -> str:
    """Which of `probe.heads` a candidate's head is: of the linear ones, that of how they read the frames."""
    return name if name in cfg.probe.heads else reads


def _run_config(cfg: DictConfig, backbone: Backbone, candidate: Candidate) -> DictConfig:
    """The config of the run that a candidate becomes: the encoder up to its layer, pooled in its way, and its head."""
    cfg, (layer, kind, reads) = cfg.copy(), candidate.space
    with open_dict(cfg):
        cfg.head = _head_config(cfg, candidate.head, reads)
        if layer != len(backbone.blocks):
            cfg.model.depth = layer
        if kind != asked_kind(backbone.encoder):
            cfg.model.pool = None if kind == OWN else kind
        del cfg.probe
    return cfg


def _scores(search: Search) -> dict[str, float]:
    """Of the best candidate, on each video that it was held out from, of which the first clip counts."""
    clips, metric = search.clips, Scores(search.clips.num_classes)
    held_out = clips.held_out[clips.first[clips.held_out]]
    probabilities = (search.scores / search.temperature()).softmax(1).float()
    metric.update(probabilities[held_out], clips.labels[held_out], clips.readable[held_out])
    return {f"val/{name}": float(value) for name, value in metric.compute().items() if name != "not_finite"}


def _print(rows: Sequence[Row], title: str) -> None:
    """The best rows, and the best of each way to read frames and of each head, for comparison."""
    shown = [*rows[:SHOWN]]
    for of in (lambda row: row.candidate.head, lambda row: row.candidate.space.reads):
        for value in dict.fromkeys(map(of, rows)):
            shown.append(next(row for row in rows if of(row) == value))
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in ("held out", "head", "block", "features", "frames", "fitted with"):
        table.add_column(name)
    for row in sorted(dict.fromkeys(shown), key=lambda row: -row.held_out):
        (layer, kind, reads), settings = row.candidate.space, row.candidate.settings().items()
        given = ", ".join(f"{name} {value:g}" for name, value in settings if value is not None)
        table.add_row(percent(row.held_out), row.candidate.head, str(layer), kind, reads.replace("_", " "), given)
    console().print(table)


def _write(path: Path, rows: Sequence[Row], best: Row) -> None:
    lines = [{"chosen": row is best, **row.as_dict()} for row in rows]
    with replacing(path) as part, part.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*lines[0]])
        writer.writeheader()
        writer.writerows(lines)


def _log(logger: WandbLogger, rows: Sequence[Row]) -> None:
    lines = [row.as_dict() for row in rows]
    table = wandb.Table(columns=[*lines[0]], data=[[str(value) for value in line.values()] for line in lines])
    logger.experiment.log({"probes": table})
