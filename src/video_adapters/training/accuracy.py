"""Accuracies of a test or validation in words: percent, with the interval that their number of videos leaves them."""

from collections.abc import Mapping

from video_adapters.commands.intervals import between, percent
from video_adapters.commands.wording import counted
from video_adapters.data.datamodule import VideoData

PARTS = {"val_as_test": "chose the checkpoint", "train_as_test": "it was trained on"}


def accuracies(scores: Mapping[str, float], prefix: str) -> dict[str, str]:
    """The accuracies of a test or validation in rows for the terminal, as far as they are there.

    Means over classes have no interval in closed form, and that of top-1 is too narrow for them.
    """
    videos = round(scores.get(f"{prefix}videos", 0))
    rows = {}
    for name in (f"{prefix}top1", f"{prefix}top5"):
        if name in scores:
            rows[name] = between(scores[name], videos)
    if rows and videos:
        rows[next(iter(rows))] += f", the 95% interval of {counted(videos, 'video')}"
    means = (f"{prefix}mean_class", f"{prefix}mAP")
    return rows | {name: percent(scores[name]) for name in means if name in scores}


def told_part(data: VideoData, name: str) -> dict[str, str]:
    """A row for the terminal where the videos of a test, whose figures have that name, had a part in the training."""
    if name not in PARTS:
        return {}
    split = data.splits["test"]
    return {name: f"the videos of '{split}', which {PARTS[name]}: expect less of others; {data.annotations.test_hint}"}
