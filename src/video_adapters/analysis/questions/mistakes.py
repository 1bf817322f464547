"""Mistakes of the model: confusions, and the worst clips as strips of film."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from torch import Tensor

from video_adapters.analysis.confusion_table import confusion_table, strips
from video_adapters.analysis.example_clips import Example, TestedVideos, most_certain, with_strips
from video_adapters.analysis.finding import Finding, Unanswerable
from video_adapters.analysis.questions import average_precisions
from video_adapters.analysis.runs.test_files import (
    Confusion,
    read_average_precisions,
    read_confusion,
    read_predictions,
)
from video_adapters.analysis.style import SHADES, clip_text
from video_adapters.analysis.tables import percentages
from video_adapters.commands.wording import counted
from video_adapters.data.datamodule import VideoData

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


def answer(run: str, data: VideoData | None, folder: Path) -> Finding:
    """The confusions of a run's test with clips of each and, where its videos are at hand, strips of their frames.

    Args:
        run: its folder.
        data: its videos; None where they are not at hand.
        folder: where the page with the answer will lie, from which it links videos.

    Raises:
        Unanswerable: the run has not been tested.
    """
    if (classes := read_average_precisions(run)) is not None:
        return _of_several(classes)
    confusion = read_confusion(run)
    if confusion is None:
        raise Unanswerable(f"The run {run} has not been tested; `python src/eval.py checkpoint=...` does it.")
    predictions = read_predictions(run)
    tables = {"Most frequent confusions (% of the class)": percentages(confused_pairs(confusion).set_index("shown"))}
    return Finding(
        question=QUESTION, text=verdict(confusion, worst(predictions)), tables=tables,
        panels=_panels(confusion, predictions, data, folder),
    )  # fmt: skip


def _of_several(classes: pd.DataFrame) -> Finding:
    """The answer where a video may have several classes."""
    text = average_precisions.verdict(classes)
    table = percentages(classes.sort_values("average_precision").set_index("class").drop(columns="threshold"))
    return Finding(
        question=QUESTION, text=text, figures={f"{text} By class, the least on top.": average_precisions.plot(classes)},
        tables={"By class, the least first (%)": table},
    )  # fmt: skip


def _panels(confusion: Confusion, predictions: pd.DataFrame, data: VideoData | None, folder: Path) -> dict[str, str]:
    """The matrix, whose numbers lead to clips, and the worst clips."""
    chosen = most_confused(confusion)
    names = [confusion.names[i] for i in chosen]
    clips = with_strips(most_certain(predictions, product(names, names)), data)
    panels = {_matrix_caption(confusion, len(chosen)): confusion_table(confusion, chosen, clips, folder)}
    if errors := worst(predictions):
        shown = with_strips({"worst": [Example(error.video, error.certainty) for error in errors]}, data)["worst"]
        caption = f"The errors it was most certain of: {_taken(errors[0])} comes first. The frames are those it saw."
        panels[caption] = strips(list(zip(map(_taken, errors), shown, strict=True)), folder)
    return panels


def _matrix_caption(confusion: Confusion, drawn: int) -> str:
    first = _most_frequent(confusion) or "Every test video is recognised."
    some = f" Of {len(confusion.names)} classes those {drawn} with most errors." if drawn < len(confusion.names) else ""
    return (
        f"{first}{some} Rows: what the test videos show; columns: what was said; shades: the square root of the share "
        "of its row. A number leads to its clips."
    )


def _taken(error: Error) -> str:
    return f"'{error.class_name}' taken for '{error.predicted}', certainty {error.certainty:.0%}"


def verdict(confusion: Confusion, errors: Sequence[Error]) -> str:
    """The answer in words."""
    total = int(confusion.counts.sum() + confusion.unread.sum())
    wrong = total - int(confusion.counts.diagonal().sum())
    text = [f"{wrong} of {total} test videos are wrong ({wrong / total:.1%})."]
    if confusion.unread.any():
        text.append(f"{int(confusion.unread.sum())} of these could not be read.")
    if most := _most_frequent(confusion):
        text.append(most)
    if errors:
        text.append(f"The most certain error has a probability of {errors[0].certainty:.0%}.")
    return " ".join(text)


def _most_frequent(confusion: Confusion) -> str:
    """A sentence on the most frequent error; empty without any."""
    for _, pair in confused_pairs(confusion, 1).iterrows():
        share = f"{counted(int(pair['videos']), 'video')}, {pair['share of the class']:.0%} of the class"
        return f"Most often '{pair['shown']}' is taken for '{pair['said']}' ({share})."
    return ""


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
    chosen = most_confused(confusion)
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
    videos = TestedVideos(data)
    clips = [videos.clip(error.video) for error in errors]
    frames = max((len(clip) for clip in clips if clip is not None), default=1)
    figure, axes = plt.subplots(
        len(errors), 1, figsize=(max(6, frames), 1.45 * len(errors)), squeeze=False, layout="constrained"
    )
    for panel, error, clip in zip(axes[:, 0], errors, clips, strict=True):
        note = _taken(error)
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


def most_confused(confusion: Confusion) -> np.ndarray:
    """Labels of the classes to draw, in the data set's order: (C,) or fewer."""
    if len(confusion.names) <= MOST_CLASSES:
        return np.arange(len(confusion.names))
    wrong = confusion.counts - np.diag(confusion.counts.diagonal())
    return np.sort(np.argsort(-(wrong.sum(0) + wrong.sum(1)), kind="stable")[:MOST_CLASSES])
