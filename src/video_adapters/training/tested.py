"""A test on videos that had a part in the training: called what it is."""

from video_adapters.data.datamodule import VideoData

PARTS = {"val_as_test": "chose the checkpoint", "train_as_test": "it was trained on"}


def told_part(data: VideoData, name: str) -> dict[str, str]:
    """A row for the terminal where the videos of a test, whose figures have that name, had a part in the training."""
    if name not in PARTS:
        return {}
    split = data.splits["test"]
    return {name: f"the videos of '{split}', which {PARTS[name]}: expect less of others; {data.annotations.test_hint}"}
