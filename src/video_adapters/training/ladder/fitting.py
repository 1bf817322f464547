"""Training that fits into the minutes that are left."""

import csv
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple

from omegaconf import DictConfig

from video_adapters.data.datamodule import VideoData
from video_adapters.training.schedule import total_steps

EPOCHS = 10  # of a recipe that is shortened: so many validations, and a tenth of its steps to warm up
FEWEST = 50  # steps below which adapters have hardly begun to learn
SCORING = 0.5  # of the time of a clip in training, most that a forward pass alone takes
STARTING = 30.0  # seconds until a run's first step, and after its last


class Fit(NamedTuple):
    """How long to train."""

    steps: int
    words: list[str]  # of the command; none beside the time limit where the whole recipe fits


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What a run has to do."""

    steps: int  # of the whole recipe
    per_epoch: int  # steps
    per_step: int  # clips
    scored: tuple[int, int]  # clips of a validation, and of the test

    @classmethod
    def of(cls, cfg: DictConfig, data: VideoData) -> "Workload":
        """That of a composed config."""
        per_epoch = data.steps_per_epoch or -(-len(data.videos("train")) // data.per_step)
        scored = [len(data.videos(use)) * len(data.views[use]) for use in ("val", "test")]
        return cls(
            steps=total_steps(cfg.trainer.max_epochs, cfg.trainer.max_steps, per_epoch),
            per_epoch=per_epoch,
            per_step=data.per_step,
            scored=(scored[0], scored[1]),
        )

    def fitting(self, seconds: float, clips_per_s: float) -> Fit:
        """The whole recipe, or as much of it as so many seconds allow: fewer steps on the same curve of rates.

        Steps are 0 where not even the scoring fits.
        """
        validation, test = (SCORING * clips / clips_per_s for clips in self.scored)
        seconds -= STARTING + test
        epochs = -(-self.steps // self.per_epoch)
        limit = f"+trainer.max_time={{seconds:{max(round(seconds), 1)}}}"  # should it be slower than it was
        if self.steps * self.per_step / clips_per_s + epochs * validation <= seconds:
            return Fit(self.steps, [limit])
        per_epoch = max(0, int((seconds / EPOCHS - validation) * clips_per_s / self.per_step))
        per_epoch = min(per_epoch, -(-self.steps // EPOCHS))  # there are fewer validations
        shortened = [f"trainer.max_epochs={EPOCHS}", f"batch.steps_per_epoch={per_epoch}", "schedule.warmup_epochs=1"]
        return Fit(EPOCHS * per_epoch, [*shortened, limit])

    def seconds_for(self, steps: int, clips_per_s: float) -> float:
        """How long so many steps would take."""
        validation, test = (SCORING * clips / clips_per_s for clips in self.scored)
        return STARTING + steps * self.per_step / clips_per_s + EPOCHS * validation + test


def measured_speed(folder: Path) -> float | None:
    """Clips a second that a run trained on, the median but for its first figure; None where it logged none."""
    path = folder / "metrics.csv"
    if not path.is_file():
        return None
    with path.open(newline="") as file:
        speeds = [float(row["speed/clips_per_s"]) for row in csv.DictReader(file) if row.get("speed/clips_per_s")]
    return median(speeds[1:] or speeds) if speeds else None
