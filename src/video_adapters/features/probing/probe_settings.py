"""Settings of a search for the best probe."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Literal, get_args

from video_adapters.features.probing.candidate import Reading
from video_adapters.features.probing.side_by_side import Recipe

Grid = Mapping[Literal["rates", "decays"], Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class Probing:
    """Which probes are compared, and how.

    Raises:
        ValueError: for settings that make no probe.
    """

    penalties: Sequence[float]  # of the closed form, largest first: of equal ones the first is taken
    folds: int = 6  # over groups, where there are any
    reads: Sequence[Reading] = ("mean", "in_order")
    trained: Mapping[str, Grid | None] = field(default_factory=dict)  # by head, each rate with each decay; None: none
    best: int = 2  # so many layers and kinds, the best by the closed form, get trained heads
    epochs: int = 20  # of trained heads
    per_step: int = 64  # clips
    minutes: float = 10  # most for all trained heads; what would not be done by then is left out, and said
    neighbours: int = 5  # of the control
    fit_validation: bool = True  # the best is fitted on validation's videos too in the end, unless these are the test's

    def __post_init__(self) -> None:
        if not self.penalties or min(self.penalties) <= 0:
            raise ValueError(f"probe.penalties is {list(self.penalties)}, expected numbers above 0, such as [1, 0.1]")
        if not self.reads or not set(self.reads) <= set(get_args(Reading)):
            raise ValueError(f"probe.reads is {list(self.reads)}, expected some of: {', '.join(get_args(Reading))}")
        for name in ("best", "epochs", "per_step", "neighbours"):
            if getattr(self, name) < 1:
                raise ValueError(f"probe.{name} is {getattr(self, name)}, expected at least 1")
        if self.folds < 2:
            raise ValueError(f"probe.folds is {self.folds}, expected at least 2")
        for head, grid in self.trained.items():
            if grid is None:
                continue
            if {*grid} != {"rates", "decays"} or not self.recipes(head) or min(grid["rates"]) <= 0:
                raise ValueError(
                    f"probe.trained.{head} is {dict(grid)}, expected rates above 0 and decays, such as "
                    "{rates: [1e-3], decays: [0.1]}"
                )

    def recipes(self, head: str) -> list[Recipe]:
        """How heads of one kind are trained."""
        grid = self.trained[head]
        return [] if grid is None else [Recipe(*pair) for pair in product(grid["rates"], grid["decays"])]
