"""Test videos that stand for the cells of a confusion matrix: the most certain of each, as strips of film."""

import base64
from collections.abc import Hashable, Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd
from PIL import Image
from torch import Tensor

from video_adapters.analysis.runs.trained import clip_of
from video_adapters.commands.terminal import advancing
from video_adapters.data.annotations import Video
from video_adapters.data.datamodule import VideoData
from video_adapters.data.video.containers import open_quickly
from video_adapters.data.video.frame_source import DecodeError

MOST_WRONG, MOST_RIGHT = 4, 2
"""Clips of a cell off and on the diagonal."""

MOST_STRIPS = 120
"""Clips of all cells: at some 15 kB each, less than 2 MB. What is wrong comes first, and of every cell one."""

FRAMES, HEIGHT = 8, 64
"""Frames of a strip, and their most pixels."""

PLAYED = {".mp4", ".m4v", ".mov", ".webm", ".ogv"}, {"h264", "hevc", "vp8", "vp9", "av1", "theora"}
"""Suffixes and codecs, by FFmpeg's names, that browsers play."""

Cell = tuple[str, str]  # names of classes: shown, said
K = TypeVar("K", bound=Hashable)


class Example(NamedTuple):
    """A test video with what was said of it."""

    video: str  # its path when it was tested
    certainty: float  # probability of the class that was said
    file: Path | None = None  # where it lies now; None: not at hand
    strip: str | None = None  # JPEG of its frames as a data URL; None: not at hand, or it cannot be read
    plays: bool = False  # whether browsers play the file


def most_certain(
    predictions: pd.DataFrame, cells: Iterable[Cell], most: int = MOST_STRIPS
) -> dict[Cell, list[Example]]:
    """Examples of each cell by falling probability, at most `most` in all: of rows of `read_predictions`."""
    wanted = set(cells)
    certain = predictions[predictions["readable"].astype(bool)].assign(
        certainty=lambda rows: pd.to_numeric(rows["probability1"])
    )
    ranked: list[tuple[int, bool, Cell, Example]] = []
    for (shown, said), rows in certain.dropna(subset="certainty").groupby(["class", "top1"], sort=False):
        if (shown, said) in wanted:
            chosen = rows.nlargest(MOST_RIGHT if shown == said else MOST_WRONG, "certainty")
            examples = [Example(*row) for row in chosen[["video", "certainty"]].itertuples(index=False)]
            ranked += [(rank, shown == said, (shown, said), example) for rank, example in enumerate(examples)]
    by_cell: dict[Cell, list[Example]] = {}
    for _, _, cell, example in sorted(ranked, key=lambda entry: entry[:2])[:most]:
        by_cell.setdefault(cell, []).append(example)
    return by_cell


class TestedVideos:
    """The videos of a test wherever they lie now: folders may have moved, the ends of their paths have not."""

    def __init__(self, data: VideoData) -> None:
        self._data = data
        self._by_end = {Path(video.path).parts[-3:]: video for video in data.videos("test")}

    def find(self, path: str) -> Video | None:
        """The video that the test wrote with this path."""
        return self._by_end.get(Path(path).parts[-3:])

    def clip(self, path: str) -> Tensor | None:
        """What the model saw of it: (T, 3, H, W) uint8; None where it is not there or cannot be read."""
        video = self.find(path)
        try:
            return None if video is None else clip_of(self._data, video)
        except DecodeError:
            return None

    def shown(self, example: Example) -> Example:
        """An example with its strip and its file, as far as they are at hand."""
        video, clip = self.find(example.video), self.clip(example.video)
        if video is None or clip is None:
            return example
        file = Path(video.path)
        return example._replace(file=file if file.is_file() else None, strip=as_jpeg(clip), plays=_plays(file))


def with_strips(groups: Mapping[K, list[Example]], data: VideoData | None) -> dict[K, list[Example]]:
    """The examples with strips and files where the videos are at hand, showing how far it is."""
    if data is None:
        return dict(groups)
    videos, done = TestedVideos(data), 0
    with advancing("film strips", sum(map(len, groups.values()))) as show:
        shown: dict[K, list[Example]] = {}
        for key, examples in groups.items():
            shown[key] = [videos.shown(example) for example in examples]
            done += len(examples)
            show(done)
    return shown


def as_jpeg(clip: Tensor) -> str:
    """Some frames of a clip side by side, as a data URL: (T, 3, H, W) uint8."""
    frames = (
        clip[np.unique(np.linspace(0, len(clip) - 1, FRAMES).round().astype(int))].permute(0, 2, 3, 1).cpu().numpy()
    )
    height = min(HEIGHT, frames.shape[1])
    size = max(1, round(frames.shape[2] * height / frames.shape[1])), height
    strip = np.concatenate([np.asarray(Image.fromarray(frame).resize(size)) for frame in frames], axis=1)
    buffer = BytesIO()
    Image.fromarray(strip).save(buffer, format="jpeg", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _plays(file: Path) -> bool:
    suffixes, codecs = PLAYED
    if file.suffix.lower() not in suffixes or not file.is_file():
        return False
    with open_quickly(str(file)) as container:
        return bool(container.streams.video) and container.streams.video[0].codec_context.name in codecs
