"""Weights that are finite numbers."""

from collections.abc import Mapping

from torch import Tensor

from video_adapters.commands.errors import SharedError


class NotFinite(SharedError):
    """Numbers of a run or of a file are NaN or infinite."""


def refuse_not_finite(weights: Mapping[str, Tensor], source: str) -> None:
    """Refuses weights that are not numbers.

    Raises:
        NotFinite: naming the first of them, and the source where they are.
    """
    for name, value in weights.items():
        if value.is_floating_point() and not value.is_meta and not value.isfinite().all():
            raise NotFinite(f"{source}: {name} holds values that are not finite numbers (NaN or infinite)")
