"""Duration of a whole run by a plan, with its assumptions."""

from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig

from video_adapters.commands.wording import counted
from video_adapters.data.shapes.moving_shapes import MovingShapes
from video_adapters.training.schedule import total_steps

PUBLISHED = {
    "ssv2": 168_913,
    "k400": 240_000,
    "k700": 545_000,
    "diving48": 15_027,
    "ucf101": 9_537,  # of the first fold
    "hmdb51": 3_570,
}
"""Training videos by data config, of Kinetics about as many: for plans on a machine where they are not."""


def duration(cfg: DictConfig, seconds: float, data: str | None) -> str:
    """A sentence on the hours of a run whose optimizer steps take so many seconds each.

    `data` names the data config. The number of videos is that of the folder where it is there, else the published one.
    """
    videos, source = _videos(cfg, data)
    per_epoch = cfg.batch.steps_per_epoch or (-(-videos // cfg.batch.per_step) if videos else 0)
    endless = cfg.trainer.max_steps is None or cfg.trainer.max_steps < 1
    if not per_epoch and endless:
        return (
            "How long the whole run takes depends on the number of training videos, which is not known without them: "
            "give data.root=FOLDER, or trainer.max_steps=N"
        )
    steps = total_steps(
        cfg.trainer.max_epochs if per_epoch else None, -1 if endless else cfg.trainer.max_steps, per_epoch
    )
    of = "" if cfg.batch.steps_per_epoch or not videos else f" of {counted(videos, 'training video')} ({source})"
    return (
        f"The whole run: about {_span(steps * seconds)} = {counted(steps, 'step')} x {seconds:.3g} s, "
        f"{steps * cfg.batch.per_step:,} clips{of}. Assumed: products at half of what the card can do, the rest at the "
        "speed of its memory, and videos that are decoded in time "
        f"({cfg.batch.per_step / seconds:.0f} clips a second). Validation and test come on top."
    )


def _videos(cfg: DictConfig, data: str | None) -> tuple[int, str]:
    """How many training videos there are, and by what; 0 where nobody knows."""
    root = None if cfg.data.get("root", None) is None else Path(cfg.data.root)
    try:
        annotations = None if root is None else instantiate(cfg.data.annotations)(root=str(root))
        if isinstance(annotations, MovingShapes):
            return _taken(cfg, annotations.counts[cfg.data.train_split]), "rendered where they are not yet"
        if annotations is not None and root is not None and root.is_dir():
            return _taken(cfg, len(annotations.videos(cfg.data.train_split))), f"in {root}"
    except (ValueError, OSError):  # incomplete
        pass
    return _taken(cfg, PUBLISHED.get(data or "", 0)), "as published"


def _taken(cfg: DictConfig, videos: int) -> int:
    """Of so many videos those that the run takes."""
    most = videos if cfg.data.max_videos is None else min(videos, cfg.data.max_videos)
    return round(most * cfg.data.fraction)


def _span(seconds: float) -> str:
    """A stretch of time in the unit that fits it."""
    minutes, hours = seconds / 60, seconds / 3600
    if hours < 1:
        return f"{max(minutes, 1):.0f} min"
    if hours < 10:
        return f"{hours:.1f} hours"
    return f"{hours:.0f} hours" + (f" ({hours / 24:.1f} days)" if hours >= 72 else "")
