"""Learning-rate schedules, per optimizer step."""

import math
from dataclasses import dataclass

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from video_adapters.commands.wording import counted

FEWEST_POINTS = 20
"""Points of the curve of a training loss below which no shape is seen in it."""


@dataclass(frozen=True, kw_only=True)
class WarmupCosine:
    """Linear warm-up to the full rate, then half a cosine to zero at the end of the run.

    Raises:
        ValueError: for a negative warm-up.
    """

    warmup_epochs: float = 2.5  # AIM's, in epochs; fractions are rounded to steps

    def __post_init__(self) -> None:
        if self.warmup_epochs < 0:
            raise ValueError(f"schedule.warmup_epochs is {self.warmup_epochs}, expected at least 0")

    def build(self, optimizer: Optimizer, steps: int, steps_per_epoch: float) -> LambdaLR:
        """The schedule of a run of `steps` optimizer steps.

        Raises:
            ValueError: when the warm-up outlasts the run.
        """
        warmup = round(self.warmup_epochs * steps_per_epoch)
        if warmup >= steps > 1:
            raise ValueError(
                f"schedule.warmup_epochs={self.warmup_epochs} is {counted(warmup, 'step')}, but the run has {steps}: "
                "train longer (trainer.max_epochs) or warm up for less"
            )
        return LambdaLR(optimizer, lambda step: factor(step, steps, warmup))


def renew(schedule: LambdaLR) -> None:
    """Brings the rates of an optimizer, which are at their full value, to the place of a schedule that was loaded."""
    groups = schedule.optimizer.param_groups
    schedule.base_lrs = [group["initial_lr"] for group in groups]
    for group, rate, share in zip(groups, schedule.base_lrs, schedule.lr_lambdas, strict=True):
        group["lr"] = rate * share(schedule.last_epoch)
    schedule._last_lr = [group["lr"] for group in groups]


def factor(step: int, steps: int, warmup: int) -> float:
    """Share of the full rate at optimizer step `step`, counted from 0."""
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(steps - warmup, 1)
    return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def total_steps(max_epochs: int | None, max_steps: int, steps_per_epoch: int) -> int:
    """Optimizer steps of a run that ends after so many epochs or steps, whichever comes first; -1 and None end nothing.

    Raises:
        ValueError: when neither ends it.
    """
    epochs = -1 if max_epochs is None else max_epochs
    limits = [limit for limit in (epochs * steps_per_epoch, max_steps) if limit > 0]
    if not limits:
        raise ValueError(
            f"trainer.max_epochs is {epochs} and max_steps {max_steps}: one must be above 0, where the schedule ends"
        )
    return min(limits)


def log_interval(given: int, steps: int) -> int:
    """Steps from one logged figure of training to the next: as asked, but oftener in a short run, whose loss is to be a
    curve. 0, Lightning's word for never, is more than the run has."""
    return min(given, max(1, steps // FEWEST_POINTS)) if given else steps + 1
