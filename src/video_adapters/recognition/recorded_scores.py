"""Scores of a checkpoint, as its run has recorded them beside it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from video_adapters.commands.intervals import between
from video_adapters.trust.config_file import bounded

PARTS = ("test", "val_as_test", "train_as_test")
NAMES = {
    "top1": "top-1 accuracy",
    "top5": "top-5 accuracy",
    "mean_class": "mean of the classes' accuracies",
    "mAP": "mean average precision",
}
"""Measures of a test; its counts, loss and the ends of intervals are none."""

SHARES = ("top1", "top5")  # of videos, for which the interval of a share holds


class Scores(NamedTuple):
    """Figures of one test."""

    part: str  # of PARTS: whether the videos had a part in the training
    values: Mapping[str, float]  # by measure, as fractions
    videos: int  # scored, those that could not be read among them

    def rows(self) -> dict[str, str]:
        """Each measure by its name, in percent, with its 95 % interval where there is one in closed form."""
        shown = {name: between(value, self.videos if name in SHARES else 0) for name, value in self.values.items()}
        return {NAMES.get(name, name): text for name, text in shown.items()}


def recorded_scores(checkpoint: Path) -> Scores | None:
    """What the test at the end of a run found, which is of its `checkpoints/best.ckpt`.

    None of another checkpoint, of a run that has not tested, and of a record that cannot be read.
    """
    if checkpoint.name != "best.ckpt" or checkpoint.parent.name != "checkpoints":
        return None
    try:
        record = json.loads(bounded(checkpoint.absolute().parents[1] / "run.json"))
    except (OSError, ValueError, RecursionError):
        return None
    scores = record.get("scores") if isinstance(record, dict) else None
    return _of_test(scores) if isinstance(scores, dict) else None


def _of_test(scores: dict[str, Any]) -> Scores | None:
    for part in PARTS:
        values = {name: scores.get(f"{part}/{name}") for name in NAMES}
        measures = {name: float(x) for name, x in values.items() if isinstance(x, int | float) and 0 <= x <= 1}
        if measures and isinstance(videos := scores.get(f"{part}/videos"), int | float) and videos >= 1:
            return Scores(part, measures, round(videos))
    return None
