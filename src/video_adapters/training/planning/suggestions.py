"""Suggestions for an experiment that does not fit a card."""

from collections.abc import Iterator
from itertools import combinations

from omegaconf import DictConfig, OmegaConf

from video_adapters.memory.allocator import CachingAllocator, Event
from video_adapters.memory.gpu import Gpu
from video_adapters.training.planning.trace import half_type, trace_experiment

SITES = ("temporal", "temporal_in", "spatial", "joint")

OF_CHECKPOINTS = ("checkpoint_nested", "offload")
"""Keys of `memory` that say how blocks are recomputed, so that at least one has to be."""

Changes = dict[str, str | int]


def suggestions(
    cfg: DictConfig, gpu: Gpu, checkpointed: int, most: int, update: list[Event] | None
) -> Iterator[tuple[str, int]]:
    """Changes with which one clip at a time fits a card, with the bytes reserved; none adds to another that fits.

    So many blocks are `checkpointed`, `most` where a change is about what is kept of these; `update` is the first one
    of a trace of the experiment.
    """
    # by the changes of the model, on whose parameters they depend
    updates: dict[tuple[str, ...], list[Event] | None] = {(): update}

    def reserved(changes: Changes, scored: bool) -> int:
        blocks = most if any(f"memory.{name}" in changes for name in OF_CHECKPOINTS) else checkpointed
        of_model = tuple(key for key in changes if not key.startswith("memory."))
        changed = cfg.copy()
        for key, value in changes.items():
            OmegaConf.update(changed, key, value)
        trace = trace_experiment(changed, gpu, 1, blocks, updates.get(of_model), scored)
        updates[of_model] = trace.first_update
        return CachingAllocator().run(trace.steps(2)).reserved

    single = _changes(cfg, gpu)
    sets = (chosen for count in range(len(single)) for chosen in combinations(single, count + 1))  # of one, of two, ...
    combined: list[Changes] = [{key: value for change in chosen for key, value in change.items()} for chosen in sets]
    if not combined or reserved(combined[-1], scored=False) > gpu.limit:
        return  # not even all together
    fitting: list[Changes] = []
    for changes in combined:
        if any(fewer.items() <= changes.items() for fewer in fitting):
            continue
        if reserved(changes, scored=False) > gpu.limit:  # the evaluation takes time, and is left out while it can be
            continue
        peak = reserved(changes, scored=True)
        if peak <= gpu.limit:
            fitting.append(changes)
            yield " ".join(f"{key}={str(value).lower()}" for key, value in changes.items()), peak


def _changes(cfg: DictConfig, gpu: Gpu) -> list[Changes]:
    """More checkpointing, half-precision weights and residual stream, half the blocks, half the frames."""
    nested: Changes = {f"memory.{name}": True for name in OF_CHECKPOINTS if cfg.memory.get(name) is False}
    lean: Changes = {}
    if half_type(cfg, gpu):
        names = ("frozen_dtype", "residual_dtype")
        lean = {f"memory.{name}": "auto" for name in names if cfg.memory.get(name, "") is None}
    upper: Changes = {
        f"adapter.{site}": "last_half" for site in SITES if cfg.adapter.get("frozen") and cfg.adapter.get(site) == "all"
    }
    frames: Changes = {}
    if cfg.data.num_frames % (2 * cfg.data.tubelet) == 0:
        frames = {"data.num_frames": cfg.data.num_frames // 2}
    return [change for change in (nested, lean, upper, frames) if change]
