"""Processes that decode start where there is no fork: what they are given can be sent to them."""

import multiprocessing
import pickle
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate

from video_adapters.commands import workers
from video_adapters.commands.config import config_names
from video_adapters.data import loader as loading
from video_adapters.data.annotations import Video, Videos
from video_adapters.data.clips.transform import TestTransform
from video_adapters.data.dataset import TestClips, TrainClips
from video_adapters.data.from_config import build_data

from helpers.toy import composed

VIDEOS = Videos([Video("a.mp4", 0), Video("b.mp4", 1)])


@pytest.mark.parametrize("data", config_names("data"))
def test_the_clips_of_every_data_set_can_be_sent_to_a_process(data: str) -> None:
    cfg = composed(f"data={data}").data
    sampling = instantiate(cfg.sampling, _convert_="all")(num_frames=cfg.num_frames)
    transform = instantiate(cfg.train_transform, _convert_="all")(image_size=cfg.image_size)
    train = pickle.loads(pickle.dumps(TrainClips(VIDEOS, sampling, transform, seed=0)))
    test = pickle.loads(
        pickle.dumps(TestClips(VIDEOS, sampling, TestTransform(cfg.image_size, resize=256), num_clips=1))
    )
    assert list(train.videos) == list(test.videos) == list(VIDEOS)


@pytest.mark.slow
def test_loaders_and_jobs_start_by_spawning_too(shapes: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    spawn = multiprocessing.get_context("spawn")
    monkeypatch.setattr(loading, "START", spawn)
    monkeypatch.setattr(workers, "START", spawn)
    here, there = (build_data(composed(*shapes, f"data.num_workers={count}")) for count in (0, 1))
    for loader in ("train_dataloader", "test_dataloader"):
        ours, theirs = (next(iter(getattr(data, loader)())) for data in (here, there))
        assert torch.equal(ours.clips, theirs.clips)
        assert ours.clips.stride() == theirs.clips.stride()
    assert dict(workers.spread(Path, ["a", "b"], 2, limit=lambda job: 60)) == {"a": Path("a"), "b": Path("b")}
