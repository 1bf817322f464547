"""A finished run's network and its videos, loaded again."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from video_adapters.analysis.finding import Unanswerable
from video_adapters.analysis.runs.folder import validation_scores
from video_adapters.commands.config import PROJECT
from video_adapters.commands.wording import counted
from video_adapters.data.annotations import Video
from video_adapters.data.clips.transform import TestTransform
from video_adapters.data.datamodule import VideoData
from video_adapters.data.dataset import read_views
from video_adapters.data.from_config import build_data
from video_adapters.data.video.reader import open_video
from video_adapters.model.classifier import VideoClassifier
from video_adapters.recognition.load import load
from video_adapters.trust.arguments import buildable
from video_adapters.trust.config_file import read_config

CHECKPOINT = Path("checkpoints") / "best.ckpt"


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A network with the test videos of its run."""

    run: Path
    classifier: VideoClassifier  # in evaluation mode
    class_names: tuple[str, ...]
    data: VideoData
    at_once: int  # most views that go through it together

    @property
    def device(self) -> torch.device:
        return next(self.classifier.parameters()).device


def load_run(
    run: str | Path, data_root: str | Path | None = None, max_videos: int | None = None, device: str | None = None
) -> Trained:
    """Rebuilds the best checkpoint of a run, and its data.

    Args:
        run: its folder.
        data_root: folder where its videos lie now; None: where it found them.
        max_videos: looks at so many test videos, spread over the list; None: all.
        device: where it runs; None: a GPU where there is one.

    Raises:
        Unanswerable: there is no checkpoint, or weights or videos have moved.
    """
    try:
        loaded = load(Path(run) / CHECKPOINT)
        data = _data(loaded.cfg, data_root, max_videos)
    except (ValueError, OSError) as error:
        raise Unanswerable(f"The run {run} cannot be looked into: {error}") from error
    return Trained(
        run=Path(run),
        classifier=loaded.classifier.to(device or ("cuda" if torch.cuda.is_available() else "cpu")),
        class_names=loaded.class_names,
        data=data,
        at_once=loaded.cfg.batch.per_device,
    )


def load_data(run: str | Path, data_root: str | Path | None = None) -> VideoData:
    """The videos of a run, without its network.

    Raises:
        Unanswerable: they have moved.
    """
    try:
        given = () if data_root is None else ("data.root",)
        return _data(OmegaConf.create(buildable(read_config(run), run, given)), data_root, None)
    except (ValueError, OSError) as error:
        raise Unanswerable(f"The videos of the run {run} are not found: {error}") from error


def best_run(runs: pd.DataFrame) -> str:
    """The folder of the finished run with the best validation score of those that kept a checkpoint.

    Raises:
        Unanswerable: there is none.
    """
    kept = runs[runs["finished"] & runs["path"].map(lambda path: (Path(path) / CHECKPOINT).is_file())]
    if kept.empty:
        raise Unanswerable(f"None of {counted(len(runs), 'run')} has finished and kept its {CHECKPOINT}.")
    return str(kept["path"][validation_scores(kept).sort_values(ascending=False).index[0]])


def clip_of(data: VideoData, video: Video) -> Tensor:
    """The first view that the test's protocol takes of a video: (T, 3, H, W) uint8.

    Raises:
        DecodeError: it cannot be read.
    """
    views = data.views["test"]
    transform = TestTransform(data.image_size, resize=views.short_side(data.image_size), crops=views.crops)
    with open_video(video) as span:
        return read_views(span, data.sampling, transform, views.clips)[0]


def _data(cfg: DictConfig, root: str | Path | None, max_videos: int | None) -> VideoData:
    """The data of a config, whose relative root is taken from where runs usually start: the project's folder."""
    if root is not None and not Path(root).is_dir():  # else moving shapes would be rendered into it
        raise ValueError(f"{root} is no folder")
    own = cfg.copy()
    own.data.root = str(PROJECT / cfg.data.root if root is None else Path(root).absolute())
    own.data.max_videos = max_videos or cfg.data.max_videos
    data = build_data(own, render=root is not None)
    data.videos("test")  # what is missing shows now
    return data
