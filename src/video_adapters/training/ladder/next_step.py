"""Advice at a ladder's end, by stated rules."""

from collections.abc import Sequence
from pathlib import Path

from video_adapters.commands.intervals import percent
from video_adapters.training.ladder.ladder_table import Row
from video_adapters.training.ladder.rungs import ADAPTERS, BEST, LONGER


def next_step(rows: Sequence[Row], chance: float, folder: Path) -> str:
    """One sentence on what to do next, by the validation's accuracies, of which the first rule that holds counts.

    1. The best rung's 95 % interval reaches down to `chance`: the data, or what is looked at, is at fault.
    2. No adapters were trained: the best frozen rung, and what kept them from it.
    3. The adapters' whole interval lies above the best frozen rung, and training on brought more: train longer.
    4. It does, but training on brought nothing more: keep them.
    5. Otherwise the best frozen rung is kept: it costs less.

    Args:
        rows: of all rungs.
        chance: the share of the most frequent class, which who always says that one reaches.
        folder: of the ladder.
    """
    ran = [row for row in rows if not row.missing]
    if not ran:
        return "Next: the same command with more minutes; these were spent before a rung was finished."
    best = max(ran, key=lambda row: row.val)
    if best.interval[0] <= chance:
        return (
            f"Next: no rung is surely above {percent(chance)}, the share of the most frequent class: look at the data "
            "by python src/prepare.py review, then try more frames (data.num_frames=16) or another encoder (model=...)."
        )
    adapters = [row for row in ran if not row.rung.frozen]
    frozen = max((row for row in ran if row.rung.frozen), key=lambda row: row.val)
    kept = f"{folder / frozen.rung.name / BEST}"
    if not adapters:
        why = next(row.missing for row in rows if row.rung == ADAPTERS)
        return f"Next: {frozen.rung.name} is the answer so far ({kept}); of adapters: {why}."
    top = max(adapters, key=lambda row: row.val)
    ours = folder / top.rung.name / BEST
    gain = f"adapters reach {percent(top.val)} of the validation, {frozen.rung.name} {percent(frozen.val)}"
    if top.interval[0] <= frozen.val:
        return f"Next: keep {frozen.rung.name} ({kept}): {gain}, which is no more than the interval of so few videos."
    if not any(row.rung == LONGER for row in adapters):
        return (
            f"Next: train longer with adapters, by the same command with more minutes: {gain}, more than the interval."
        )
    if top.rung == LONGER:
        return f"Next: train longer with adapters, from init_from={ours}: {gain}, more than the interval."
    return f"Next: keep the adapters ({ours}): {gain}, and training on brought nothing more; more videos would."
