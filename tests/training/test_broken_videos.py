"""What becomes of an evaluation whose videos cannot be read, and of sets that are too small to learn from."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from video_adapters.data.dataset import Batch
from video_adapters.training.broken_videos import UnreadTests
from video_adapters.training.build import build_data

from miniatures import write_class_folders
from toy import composed
from videos import numbered_frames, write_video


def batch(readable: list[bool], weights: list[float]) -> Batch:
    size = len(readable)
    return Batch(
        clips=torch.zeros(size, 1),
        labels=torch.zeros(size),
        weights=torch.tensor(weights),
        indices=torch.arange(size),
        readable=torch.tensor(readable),
        broken=[f"{place}.mp4: gone" for place, read in enumerate(readable) if not read],
    )


def evaluated(path: Path, *batches: Batch) -> None:
    callback, trainer, module = UnreadTests(str(path)), SimpleNamespace(is_global_zero=True), None
    arguments: Any = (trainer, module)
    callback.on_test_start(*arguments)
    for number, one in enumerate(batches):
        callback.on_test_batch_end(*arguments, None, one, number)
    callback.on_test_end(*arguments)


def test_a_split_of_which_nothing_could_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none of the 2 videos to be scored could be read, such as 0.mp4: gone; all"):
        evaluated(tmp_path / "unread.txt", batch([False, False], [1, 1]), batch([True], [0]))  # the last fills up
    assert (tmp_path / "unread.txt").read_text() == "0.mp4: gone\n1.mp4: gone\n"


def test_a_split_of_which_something_could_be_read_is_scored(tmp_path: Path) -> None:
    evaluated(tmp_path / "unread.txt", batch([False, True], [1, 1]))
    assert (tmp_path / "unread.txt").read_text() == "0.mp4: gone\n"
    evaluated(tmp_path / "unread.txt", batch([True], [1]))
    assert not (tmp_path / "unread.txt").exists()


def folders(root: Path, *overrides: str) -> Any:
    return build_data(composed("data=folders", f"data.root={root}", "data.num_workers=0", *overrides))


def test_one_class_is_nothing_to_tell_apart(tmp_path: Path) -> None:
    (tmp_path / "wave").mkdir()
    write_video(tmp_path / "wave" / "a.mp4", numbered_frames(9))
    write_video(tmp_path / "wave" / "b.mp4", numbered_frames(9))
    with pytest.raises(ValueError, match=r"ClassFolders in .* has one class, 'wave': there is nothing to tell apart"):
        folders(tmp_path, "data.num_classes=1").videos("train")


def test_one_video_is_said_and_one_of_each_class_leaves_none_to_validate(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_class_folders(tmp_path / "many")
    folders(tmp_path / "many", "data.num_classes=2", "data.max_videos=1").videos("train")
    assert "train: it holds one video, " in caplog.text
    for name in ("clap", "wave"):
        (tmp_path / "few" / name).mkdir(parents=True)
        write_video(tmp_path / "few" / name / "a.mp4", numbered_frames(9))
    with pytest.raises(ValueError, match=r"'val' of ClassFolders in .* holds no video; of a class with one video none"):
        folders(tmp_path / "few", "data.num_classes=2").videos("val")
