"""Accuracies as people read them: percent, with the interval that their number of videos leaves them."""

import math
from collections.abc import Mapping

from video_adapters.commands.wording import counted
from video_adapters.data.datamodule import VideoData

PARTS = {"val_as_test": "chose the checkpoint", "train_as_test": "it was trained on"}

Z = 1.959964  # 97.5 % of a standard normal lie below: both tails together leave 5 %


def wilson(share: float, videos: int) -> tuple[float, float]:
    """Ends of the 95% interval of an accuracy over so many videos, as fractions (Wilson 1927, the score interval).

    It tells how far another draw of videos of the same kind might have come out otherwise; another training is another
    matter. It never leaves 0 to 1 and holds for few videos too, where p +- 1.96 standard errors does not.
    """
    centre = share + Z**2 / (2 * videos)
    half = Z * math.sqrt(share * (1 - share) / videos + Z**2 / (4 * videos**2))
    scale = 1 + Z**2 / videos
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def percent(share: float) -> str:
    """A fraction as people read it: 0.9667 -> 96.7%."""
    return f"{share:.1%}"


def between(share: float, videos: float) -> str:
    """An accuracy with its 95 % interval, in short: 96.7% (94.7 to 98.0)."""
    if not videos >= 1:
        return percent(share)
    low, high = wilson(share, round(videos))
    return f"{percent(share)} ({100 * low:.1f} to {100 * high:.1f})"


def accuracies(scores: Mapping[str, float], prefix: str) -> dict[str, str]:
    """The accuracies of a test or validation in rows for the terminal, as far as they are there.

    The mean over classes has no interval in closed form, and that of top-1 is too narrow for it.
    """
    videos = round(scores.get(f"{prefix}videos", 0))
    rows = {}
    for name in (f"{prefix}top1", f"{prefix}top5", f"{prefix}mean_class"):
        if name in scores:
            rows[name] = between(scores[name], 0 if name.endswith("mean_class") else videos)
    if rows and videos:
        rows[next(iter(rows))] += f", the 95% interval of {counted(videos, 'video')}"
    return rows


def told_part(data: VideoData, name: str) -> dict[str, str]:
    """A row for the terminal where the videos of a test, whose figures have that name, had a part in the training."""
    if name not in PARTS:
        return {}
    split = data.splits["test"]
    return {name: f"the videos of '{split}', which {PARTS[name]}: expect less of others; {data.annotations.test_hint}"}
