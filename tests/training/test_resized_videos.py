"""Videos whose frames change their size: resized, counted and said, or refused."""

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from video_adapters.data.annotations import Video, Videos
from video_adapters.data.clips.sample import Segments
from video_adapters.data.clips.transform import TestTransform, TrainTransform
from video_adapters.data.dataset import Sample, TestClips, TrainClips, collate
from video_adapters.data.sampler import Key
from video_adapters.training.callbacks.resized_videos import ResizedVideos

from helpers.toy import composed

SAMPLING = Segments(num_frames=4)


@pytest.fixture
def videos(tmp_path: Path) -> Videos:
    """One of one size, and one as a tracker crops them."""
    for name, step in (("still", 0), ("tracked", 3)):
        (tmp_path / name).mkdir()
        for number in range(4):
            Image.new("RGB", (40 + step * number, 32)).save(tmp_path / name / f"{number}.png")
    return Videos(Video(str(tmp_path / name), 0) for name in ("still", "tracked"))


def samples(videos: Videos, strict: bool, kind: str) -> list[Sample]:
    if kind == "train":
        clips: TrainClips | TestClips = TrainClips(videos, SAMPLING, TrainTransform(image_size=16), 0, strict)
    else:
        clips = TestClips(videos, SAMPLING, TestTransform(16, resize=16), 1, strict)
    return [clips[Key(epoch=0, video=index, weight=1.0)] for index in range(len(videos))]


@pytest.mark.parametrize("kind", ["train", "test"])
def test_resized_videos_are_named_in_their_batch(kind: str, videos: Videos) -> None:
    batch = collate(samples(videos, False, kind))
    assert batch.resized == [videos[1].path]
    assert batch.readable.all()


@pytest.mark.parametrize("kind", ["train", "test"])
def test_what_is_strict_takes_them_for_broken(kind: str, videos: Videos) -> None:
    batch = collate(samples(videos, True, kind))
    assert not batch.resized
    assert "tracked: the frame size changes on the way" in batch.broken[0]


def test_they_are_said_once_and_counted_at_the_end(videos: Videos, caplog: pytest.LogCaptureFixture) -> None:
    callback, trainer = ResizedVideos(), SimpleNamespace(is_global_zero=True)
    batch = collate(samples(videos, False, "train"))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            callback.on_train_batch_end(trainer, None, None, batch, 0)
        callback.on_fit_end(trainer, None)
    assert caplog.text.count(f"resized to it, first in {videos[1].path}") == 1
    assert caplog.text.count("1 video had frames of another size than the first") == 1


def test_no_checkpoint_grows_with_them(videos: Videos) -> None:
    callback = ResizedVideos()
    callback.on_train_batch_end(None, None, None, collate(samples(videos, False, "train")), 0)
    assert not callback.state_dict()


def test_runs_resize_unless_they_are_told_to_be_strict() -> None:
    assert (composed().data.strict, composed("data.strict=true").data.strict) == (False, True)
    assert "video_adapters.training.callbacks.resized_videos.ResizedVideos" in [
        callback["_target_"] for callback in composed().callbacks.values()
    ]
