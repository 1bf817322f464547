"""Mistakes of the model: confusions, and the worst clips as strips of film."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from torch import Tensor

from video_adapters.analysis.finding import Finding, Unanswerable
from video_adapters.analysis.runs.test_files import Confusion, read_confusion, read_predictions
from video_adapters.analysis.runs.trained import clip_of
from video_adapters.analysis.style import SHADES, clip_text
from video_adapters.analysis.tables import percentages
from video_adapters.commands.wording import counted
from video_adapters.data.annotations import Video
from video_adapters.data.datamodule import VideoData
from video_adapters.data.video.frame_source import DecodeError

QUESTION = "What does the model get wrong?"
MOST_CLASSES = 20
"""Classes of a drawn confusion matrix; of more, those with most errors between them."""

MOST_CLIPS = 8
GAP = 1 / 20
"""Between the frames of a strip, as a share of their width."""


class Error(NamedTuple):
    """A test video that was taken for another class."""

    video: str
    class_name: str
    predicted: str
    certainty: float  # probability of the predicted class


def answer(run: str, data: VideoData | None) -> Finding:
    """The confusions of a run's test and, where its videos are at hand, the clips that it was most wrongly certain of.

    Raises:
        Unanswerable: the run has not been tested.
    """
    confusion = read_confusion(run)
    if confusion is None:
        raise Unanswerable(f"The run {run} has not been tested; `python src/eval.py checkpoint=...` does it.")
    errors = worst(read_predictions(run))
    figures = {"Test videos by what they show and what was said": plot_confusion(confusion)}
    if data is not None and errors:
        figures["The errors it was most certain of, frame by frame"] = plot_errors(errors, data)
    tables = {"Most frequent confusions (% of the class)": percentages(confused_pairs(confusion).set_index("shown"))}
    return Finding(question=QUESTION, text=verdict(confusion, errors), figures=figures, tables=tables)


def verdict(confusion: Confusion, errors: Sequence[Error]) -> str:
    """The answer in words."""
    total = int(confusion.counts.sum() + confusion.unread.sum())
    wrong = total - int(confusion.counts.diagonal().sum())
    text = [f"{wrong} of {total} test videos are wrong ({wrong / total:.1%})."]
    if confusion.unread.any():
        text.append(f"{int(confusion.unread.sum())} of these could not be read.")
    if len(pairs := confused_pairs(confusion, 1)):
        first = pairs.iloc[0]
        share = f"{counted(int(first['videos']), 'video')}, {first['share of the class']:.0%} of the class"
        text.append(f"Most often '{first['shown']}' is taken for '{first['said']}' ({share}).")
    if errors:
        text.append(f"The most certain error has a probability of {errors[0].certainty:.0%}.")
    return " ".join(text)


def worst(predictions: pd.DataFrame, count: int = MOST_CLIPS) -> list[Error]:
    """Of rows of `read_predictions` those taken for another class with the highest probability, the worst first."""
    wrong = predictions[~predictions["correct"].astype(bool) & predictions["readable"].astype(bool)]
    wrong = wrong.assign(certainty=pd.to_numeric(wrong["probability1"])).dropna(subset="certainty")
    columns = wrong.nlargest(count, "certainty")[["video", "class", "top1", "certainty"]]
    return [Error(*row) for row in columns.itertuples(index=False)]


def confused_pairs(confusion: Confusion, count: int = 10) -> pd.DataFrame:
    """The most frequent errors: what was shown, what was said, how many videos and which share of the class."""
    wrong = confusion.counts - np.diag(confusion.counts.diagonal())
    videos = confusion.counts.sum(1) + confusion.unread
    order = np.argsort(-wrong, axis=None, kind="stable")[:count]
    pairs = [divmod(int(i), len(wrong)) for i in order if wrong.flat[i]]
    names = confusion.names
    rows = [(names[i], names[j], wrong[i, j], wrong[i, j] / videos[i]) for i, j in pairs]
    return pd.DataFrame(rows, columns=["shown", "said", "videos", "share of the class"])


def plot_confusion(confusion: Confusion) -> Figure:
    """Shares of each class's videos by what was said of them, the numbers of videos written in where they fit."""
    chosen = _most_confused(confusion)
    counts = confusion.counts[np.ix_(chosen, chosen)]
    shares = counts / np.maximum(1, confusion.counts[chosen].sum(1) + confusion.unread[chosen])[:, None]
    names = [clip_text(confusion.names[i]) for i in chosen]
    size = 2.6 + 0.38 * len(chosen)
    figure, axes = plt.subplots(figsize=(size + 1, size), layout="constrained")
    picture = axes.imshow(100 * shares, cmap=SHADES, vmin=0, vmax=100)
    for row, column in zip(*np.nonzero(counts), strict=True):
        color = "black" if shares[row, column] > 0.5 else "white"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=color, fontsize=8)
    axes.set_xticks(range(len(chosen)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(chosen)), names)
    axes.set(xlabel="said", ylabel="shown")
    if len(chosen) < len(confusion.names):
        axes.set_title(f"{len(chosen)} of {len(confusion.names)} classes, those with most errors", fontsize=10)
    figure.colorbar(picture, label="% of the class's test videos (numbers: videos)", shrink=0.7)
    return figure


def plot_errors(errors: Sequence[Error], data: VideoData) -> Figure:
    """A strip of film for each error, by the frames that the model saw."""
    # where they lie may have changed since the test: the ends of their paths have not
    videos = {Path(video.path).parts[-3:]: video for video in data.videos("test")}
    clips = [_clip(videos.get(Path(error.video).parts[-3:]), data) for error in errors]
    frames = max((len(clip) for clip in clips if clip is not None), default=1)
    figure, axes = plt.subplots(
        len(errors), 1, figsize=(max(6, frames), 1.45 * len(errors)), squeeze=False, layout="constrained"
    )
    for panel, error, clip in zip(axes[:, 0], errors, clips, strict=True):
        note = f"'{error.class_name}' taken for '{error.predicted}', certainty {error.certainty:.0%}"
        if clip is not None:
            panel.imshow(strip(clip), interpolation="nearest")
        panel.set_axis_off()
        panel.set_title(note if clip is not None else f"{note} (the video cannot be read)", loc="left", fontsize=9)
    return figure


def strip(clip: Tensor) -> np.ndarray:
    """Frames side by side on white: (T, 3, H, W) uint8 -> (H, W', 3)."""
    gap = max(1, round(clip.shape[3] * GAP))
    frames = np.pad(clip.permute(0, 2, 3, 1).cpu().numpy(), ((0, 0), (0, 0), (0, gap), (0, 0)), constant_values=255)
    return np.concatenate([*frames], axis=1)[:, :-gap]


def _clip(video: Video | None, data: VideoData) -> Tensor | None:
    """What the model saw of a video; None where it is not there or cannot be read."""
    try:
        return None if video is None else clip_of(data, video)
    except DecodeError:
        return None


def _most_confused(confusion: Confusion) -> np.ndarray:
    """Labels of the classes to draw, in the data set's order: (C,) or fewer."""
    if len(confusion.names) <= MOST_CLASSES:
        return np.arange(len(confusion.names))
    wrong = confusion.counts - np.diag(confusion.counts.diagonal())
    return np.sort(np.argsort(-(wrong.sum(0) + wrong.sum(1)), kind="stable")[:MOST_CLASSES])
