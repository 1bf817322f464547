"""The experiments of configs/experiment: what they cost, counted on the meta device, and what others report of them."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from video_adapters.commands import command
from video_adapters.commands.config import PROJECT, compose_config
from video_adapters.commands.terminal import summary
from video_adapters.commands.wording import counted
from video_adapters.data.from_config import with_classes_counted
from video_adapters.model.build import cost
from video_adapters.model.cost import Cost

PUBLISHED = PROJECT / "docs" / "published.yaml"
OWN_CLASSES = 10
"""Classes that an experiment on people's own videos is counted for, where only they know the number."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """What others report of an experiment at one number of frames; None: nothing is known.

    Counts are text, so that they keep the digits that they were given in.
    """

    frames: int
    top1: float | None = None  # %, by the experiment's test protocol
    params: str | None = None  # M, the classifier included
    tunable: str | None = None  # M, the classifier included
    gmacs: str | None = None  # of one view
    gflops: int | None = None  # as a paper prints them: GMACs times views


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """An experiment at one number of frames."""

    name: str
    cfg: DictConfig  # composed, with Hydra's part
    published: Published
    source: str | None  # of the published accuracy

    @property
    def choices(self) -> DictConfig:
        """The choices of the config groups: data, model, adapter, ..."""
        return self.cfg.hydra.runtime.choices

    @property
    def views(self) -> tuple[int, int]:
        """The test protocol's clips and crops."""
        return self.cfg.data.test_views.clips, self.cfg.data.test_views.crops


@cache
def published() -> dict[str, Any]:
    """The content of docs/published.yaml: source and results by experiment."""
    return yaml.safe_load(PUBLISHED.read_text(encoding="utf-8"))


def variants(name: str) -> list[Experiment]:
    """An experiment at the frames of its recipe, and at all others that something is published for."""
    report = published().get(name, {"source": None, "results": []})
    results = [Published(**result) for result in report["results"]]
    default = compose_experiment(name).data.num_frames
    if default not in {result.frames for result in results}:
        results.append(Published(frames=default))
    results.sort(key=lambda result: result.frames)
    return [
        Experiment(name=name, cfg=compose_experiment(name, one.frames), published=one, source=report["source"])
        for one in results
    ]


def compose_experiment(name: str, frames: int | None = None) -> DictConfig:
    """The config of an experiment, at its own frames or at others, with Hydra's part."""
    cfg = _composed(name).copy()
    if frames is not None:
        OmegaConf.update(cfg, "data.num_frames", frames)
    return cfg


@cache
def count_experiment(name: str, frames: int) -> Cost:
    """What an experiment's model costs at so many frames; a second's work, done once."""
    return cost(compose_experiment(name, frames))


@cache
def _composed(name: str) -> DictConfig:
    command.read_environment()
    cfg = compose_config("train", [f"experiment={name}"], with_hydra=True)
    if cfg.data.num_classes is None:
        OmegaConf.update(cfg, "data.num_classes", OWN_CLASSES)
    return cfg


def gmacs_a_video(macs: int, views: int) -> str:
    """Multiply-accumulates of all views, in 10^9."""
    gmacs = macs * views / 1e9
    return f"{gmacs:.1f}" if gmacs >= 10 else f"{gmacs:.3f}"


def print_cost(cfg: DictConfig) -> None:
    """Prints what one view and the test protocol of a composed experiment cost."""
    cfg = with_classes_counted(cfg)
    counts = cost(cfg)
    views = cfg.data.test_views.clips * cfg.data.test_views.crops
    summary(
        f"{cfg.name}: {cfg.model.encoder.model_name}, {cfg.data.num_frames} frames, {cfg.data.num_classes} classes",
        {
            "parameters": f"{counts.params / 1e6:.3f} M",
            "of these train": f"{counts.trainable / 1e6:.3f} M",
            **(
                {"exported": f"{(counts.params - counts.folded) / 1e6:.3f} M: adapters folded into the encoder"}
                if counts.folded
                else {}
            ),
            "a view": f"{counts.macs / 1e9:.3f} GMACs, as published{' and exported' if counts.folded else ''}",
            "as run": f"{counts.macs_run / 1e9:.3f} GMACs (no dead work, linear layers in a row as one)",
            "a video": f"{gmacs_a_video(counts.macs, views)} GMACs: {counted(views, 'view')} (the papers' GFLOPs)",
        },
    )
