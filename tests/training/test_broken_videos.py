"""What becomes of an evaluation whose videos cannot be read, and of sets that are too small to learn from."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from video_adapters.commands.errors import SharedError
from video_adapters.data.dataset import Batch
from video_adapters.data.from_config import build_data
from video_adapters.training.callbacks import broken_videos
from video_adapters.training.callbacks.broken_videos import BrokenVideos, UnreadTests

from helpers.miniatures import write_class_folders
from helpers.toy import composed
from helpers.videos import numbered_frames, write_video


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


def test_processes_ask_each_other_for_broken_videos_when_figures_are_logged_and_stop_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One alone asks nobody, and stops at once: to ask is to wait for the card."""

    def trained(steps: int, processes: int) -> int:
        """How often the others were asked."""
        asked: list[Any] = []
        monkeypatch.setattr(broken_videos, "gather", lambda mine: asked.append(mine) or [mine] * processes)
        data = SimpleNamespace(videos=lambda split: range(4), max_broken=0.25)
        trainer: Any = SimpleNamespace(
            world_size=processes, log_every_n_steps=10, datamodule=data, is_global_zero=True, global_step=0
        )
        module, callback = SimpleNamespace(step_finished=lambda: True), BrokenVideos(str(tmp_path / "broken.txt"))
        for trainer.global_step in range(1, steps + 1):
            one = batch([True, trainer.global_step > 2], [1, 1])
            one.broken[:] = [f"{trainer.global_step}.mp4: gone" for _ in one.broken]
            callback.on_train_batch_end(trainer, module, None, one, 0)
        return len(asked)

    assert trained(steps=9, processes=2) == 0
    with pytest.raises(SharedError, match="2 of 4 training videos could not be read"):
        trained(steps=10, processes=2)
    with pytest.raises(SharedError, match="2 of 4 training videos could not be read"):
        trained(steps=2, processes=1)


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
