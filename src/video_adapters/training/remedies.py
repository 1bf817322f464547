"""What would fit a card that an experiment does not fit."""

from collections.abc import Iterator

from omegaconf import DictConfig, OmegaConf

from video_adapters.memory.allocator import CachingAllocator
from video_adapters.memory.card import Card
from video_adapters.training.rehearsal import rehearse

SITES = ("temporal", "temporal_in", "spatial", "joint")


def remedies(cfg: DictConfig, card: Card, checkpointed: int) -> Iterator[tuple[str, int]]:
    """Changes with which one clip at a time, with so many blocks recomputed, fits a card; with the bytes reserved."""
    for changes in _changes(cfg):
        changed = cfg.copy()
        for key, value in changes.items():
            OmegaConf.update(changed, key, value)
        peak = CachingAllocator().run(rehearse(changed, card, 1, checkpointed).steps(2))
        if peak.reserved <= card.limit:
            yield " ".join(f"{key}={value}" for key, value in changes.items()), peak.reserved


def _changes(cfg: DictConfig) -> list[dict[str, str | int]]:
    """Half-precision weights and residual stream, half the blocks, half the frames, and these together."""
    lean: dict[str, str | int] = {
        f"memory.{key}": "auto" for key in ("frozen_dtype", "residual_dtype") if cfg.memory.get(key, "") is None
    }
    upper: dict[str, str | int] = {
        f"adapter.{site}": "last_half" for site in SITES if cfg.adapter.get("frozen") and cfg.adapter.get(site) == "all"
    }
    frames: dict[str, str | int] = {}
    if cfg.data.num_frames % (2 * cfg.data.tubelet) == 0:
        frames = {"data.num_frames": cfg.data.num_frames // 2}
    single = [change for change in (lean, upper, frames) if change]
    pairs = [one | other for i, one in enumerate(single) for other in single[i + 1 :]]
    return [*single, *pairs, *([lean | upper | frames] if len(single) == 3 else [])]
