"""Predictions of a test, video by video: files beside the run, tables and pictures in its loggers."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import wandb
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import WandbLogger

from video_adapters.commands.atomic import replacing
from video_adapters.commands.intervals import wilson
from video_adapters.commands.wording import as_cell
from video_adapters.data.annotations import Videos
from video_adapters.data.dataset import Batch
from video_adapters.data.video.film_strip import film_strip
from video_adapters.data.video.frame_source import DecodeError
from video_adapters.model.checkpoint import UNCHOSEN
from video_adapters.training.callbacks import several_labels
from video_adapters.training.callbacks.scored import Scored
from video_adapters.training.loggers import TensorBoard
from video_adapters.training.mlflow_logger import Mlflow
from video_adapters.training.optional import optional
from video_adapters.training.processes import gather

MOST_SHOWN = 100  # classes of a confusion matrix in W&B, whose tables show 10 000 rows
WORST_SHOWN = 8  # film strips in W&B
UNREAD = "(unread)"  # or without scores that are numbers
FIGURES = ("top1", "top1_low", "top1_high", "top5")  # of a class


class Predictions(Callback):
    """Writes `predictions.csv`, `probabilities.npy`, `per_class.csv` and `confusion.csv` after a test; the last has no
    sense where a video may have several classes.

    Any number of processes writes the same: every video counts once, in the data set's order.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self._mine: list[Scored] = []

    def on_test_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._mine = []

    def on_test_batch_end(
        self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Batch, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        own = batch.weights > 0  # the others only fill the batch up
        self._mine.append(Scored(*(t[own].cpu().numpy() for t in (batch.indices, outputs.float(), batch.readable))))

    def on_test_end(self, trainer: Any, pl_module: Any) -> None:
        scored = _in_order(part for parts in gather(self._mine) for part in parts)
        if not trainer.is_global_zero:
            return
        videos, names = trainer.datamodule.videos("test"), trainer.datamodule.class_names
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(self.folder / "probabilities.npy") as path, path.open("wb") as file:
            np.save(file, scored.probabilities)
        if (sets := trainer.datamodule.label_sets) is not None:
            thresholds = np.array(pl_module.origin.thresholds or [UNCHOSEN] * len(names))
            classes = several_labels.Classes(names, sets, thresholds)
            rows = several_labels.per_class_rows(scored, videos, classes)
            _write(self.folder / "predictions.csv", several_labels.prediction_rows(scored, videos, classes))
        else:
            rows = per_class_rows(scored, videos, names)
            _write(self.folder / "predictions.csv", prediction_rows(scored, videos, names))
            _write(self.folder / "confusion.csv", confusion_rows(scored, videos, names))
        _write(self.folder / "per_class.csv", rows)
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                with optional("W&B's tables and pictures of the test"):
                    _show_classes(logger.experiment, rows, pl_module.tested_as)
                    if sets is None:
                        _show_mistakes(logger.experiment, scored, videos, names, pl_module.tested_as)
            elif isinstance(logger, Mlflow | TensorBoard):
                with optional(f"{logger.title}'s pictures of the test"):
                    logger.show_test(self.folder, worst_strips(scored, videos, names) if sets is None else [])


def prediction_rows(scored: Scored, videos: Videos, names: Sequence[str]) -> list[dict[str, Any]]:
    """A row per video: path, class, whether it was read, and up to five classes with their probabilities."""
    rows = []
    for index, chances, readable, answered in zip(*scored, scored.answered, strict=True):
        video = videos[int(index)]
        best = np.argsort(-chances, kind="stable")[:5]
        row: dict[str, Any] = {"video": video.path, "class": names[video.label], "readable": bool(readable)}
        row["correct"] = bool(answered and best[0] == video.label)
        for rank, label in enumerate(best, 1):
            row[f"top{rank}"] = names[label] if answered else ""
            row[f"probability{rank}"] = f"{chances[label]:.6f}" if answered else ""
        rows.append(row)
    return rows


def per_class_rows(scored: Scored, videos: Videos, names: Sequence[str]) -> list[dict[str, Any]]:
    """A row per class: number of videos, top-1 accuracy with the ends of its 95 % interval, and top-5 accuracy, as
    fractions (a video without an answer counts as wrong), and the class it is most often taken for."""
    counts = confusion(scored, videos, len(names))
    labels = videos.labels[scored.indices]
    ranked = np.argsort(-scored.probabilities, axis=1, kind="stable")[:, :5] == labels[:, None]
    among_five = ranked.any(1) & scored.answered
    rows = []
    for label, name in enumerate(names):
        total = int(counts[label].sum())
        others = np.where(np.arange(len(names)) == label, 0, counts[label, :-1])
        row: dict[str, Any] = {"class": name, "videos": total}
        row |= dict.fromkeys(FIGURES, "")
        if total:
            top1 = counts[label, label] / total
            figures = (top1, *wilson(top1, total), among_five[labels == label].mean())
            row |= zip(FIGURES, (f"{figure:.4f}" for figure in figures), strict=True)
        row["most often taken for"] = names[int(others.argmax())] if others.any() else ""
        rows.append(row)
    return rows


def confusion_rows(scored: Scored, videos: Videos, names: Sequence[str]) -> list[dict[str, Any]]:
    """A row per class that was shown, a column per class that was said, and one for videos without an answer."""
    columns = ["shown \\ said", *(f"{i} {name}" for i, name in enumerate(names)), UNREAD]
    counts = confusion(scored, videos, len(names))
    return [dict(zip(columns, [f"{i} {names[i]}", *map(int, row)], strict=True)) for i, row in enumerate(counts)]


def confusion(scored: Scored, videos: Videos, num_classes: int) -> np.ndarray:
    """Counts of videos by class and by prediction, the last column those without an answer: (C, C + 1)."""
    counts = np.zeros((num_classes, num_classes + 1), int)
    predicted = np.where(scored.answered, scored.probabilities.argmax(1), num_classes)
    np.add.at(counts, (videos.labels[scored.indices], predicted), 1)
    return counts


def _in_order(parts: Iterable[Scored]) -> Scored:
    joined = Scored(*(np.concatenate(field) for field in zip(*parts, strict=True)))
    indices, places = np.unique(joined.indices, return_index=True)
    assert len(indices) == len(joined.indices), "a video was scored twice"
    return Scored(*(field[places] for field in joined))


def _write(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    import pandas as pd  # here: no run's start waits for it

    table = pd.DataFrame(rows).map(lambda value: as_cell(value) if isinstance(value, str) else value)
    with replacing(path) as part:
        table.rename(columns=as_cell).to_csv(part, index=False, errors="surrogateescape")


def _show_classes(run: Any, rows: Sequence[dict[str, Any]], prefix: str) -> None:
    """Logs to W&B what was reached of each class."""
    cells = [[str(value) for value in row.values()] for row in rows]
    run.log({f"{prefix}/per_class": wandb.Table(columns=list(rows[0]), data=cells)})


def _show_mistakes(run: Any, scored: Scored, videos: Videos, names: Sequence[str], prefix: str) -> None:
    """Logs to W&B the confusion matrix, where it is small enough to be seen, and the worst videos as film strips."""
    if len(names) <= MOST_SHOWN:
        own = scored.answered
        shown, predicted = videos.labels[scored.indices][own], scored.probabilities.argmax(1)[own]
        plot = wandb.plot.confusion_matrix(y_true=shown.tolist(), preds=predicted.tolist(), class_names=list(names))
        run.log({f"{prefix}/confusion": plot})
    if strips := worst_strips(scored, videos, names):
        run.log({f"{prefix}/worst": [wandb.Image(picture, caption=caption) for picture, caption in strips]})


def worst_strips(
    scored: Scored, videos: Videos, names: Sequence[str], count: int = WORST_SHOWN
) -> list[tuple[np.ndarray, str]]:
    """Film strips of the wrong videos whose true class got the least probability, with captions.

    A strip shows other frames than were scored: a video of which one of these cannot be read is left out.
    """
    labels = videos.labels[scored.indices]
    given = scored.probabilities[np.arange(len(labels)), labels]
    wrong = np.flatnonzero(scored.answered & (scored.probabilities.argmax(1) != labels))
    strips: list[tuple[np.ndarray, str]] = []
    for row in wrong[np.argsort(given[wrong], kind="stable")]:
        if len(strips) == count:
            break
        video, predicted = videos[int(scored.indices[row])], int(scored.probabilities[row].argmax())
        taken = f"taken for {names[predicted]} ({scored.probabilities[row, predicted]:.0%})"
        with suppress(DecodeError):
            strips.append((film_strip(video), f"{names[video.label]}, {taken}: {video.path}"))
    return strips
