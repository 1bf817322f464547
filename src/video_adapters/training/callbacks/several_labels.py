"""Rows of a test's files where a video may have several classes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from video_adapters.data.annotations import Videos
from video_adapters.data.annotations.row_classes import BETWEEN
from video_adapters.training.average_precision import average_precision
from video_adapters.training.callbacks.scored import Scored


class Classes(NamedTuple):
    """What the rows are about."""

    names: Sequence[str]  # of the C classes
    label_sets: np.ndarray  # (K, C) bool, by label
    thresholds: np.ndarray  # (C,) from which on a class is named


def prediction_rows(scored: Scored, videos: Videos, classes: Classes) -> list[dict[str, Any]]:
    """A row per video: path, its classes as `a|b`, whether it was read, what is named, whether that is exactly its
    classes, and up to five classes with their probabilities."""
    rows, names = [], classes.names
    for index, chances, readable, answered in zip(*scored, scored.answered, strict=True):
        video = videos[int(index)]
        shown, named = classes.label_sets[video.label], (chances >= classes.thresholds) & answered
        row: dict[str, Any] = {"video": video.path, "class": _joined(names, shown), "readable": bool(readable)}
        row |= {"named": _joined(names, named), "correct": bool(answered and (shown == named).all())}
        for rank, label in enumerate(np.argsort(-chances, kind="stable")[:5], 1):
            row[f"top{rank}"] = names[label] if answered else ""
            row[f"probability{rank}"] = f"{chances[label]:.6f}" if answered else ""
        rows.append(row)
    return rows


def per_class_rows(scored: Scored, videos: Videos, classes: Classes) -> list[dict[str, Any]]:
    """A row per class: number of videos that show it, average precision, the threshold, and with it precision (of none
    named empty) and recall, as fractions. A video without an answer ranks last, and nothing is named in it."""
    shown = classes.label_sets[videos.labels[scored.indices]]
    scores = np.where(scored.answered[:, None], scored.probabilities, -1)
    named = scores >= classes.thresholds
    rows = []
    for label, name in enumerate(classes.names):
        right, total = int((named & shown)[:, label].sum()), int(shown[:, label].sum())
        row: dict[str, Any] = {"class": name, "videos": total, "average_precision": "", "precision": "", "recall": ""}
        row["threshold"] = f"{classes.thresholds[label]:.6f}"
        if total:
            precision = average_precision(torch.from_numpy(scores[:, label]), torch.from_numpy(shown[:, label]))
            row |= {"average_precision": f"{precision:.4f}", "recall": f"{right / total:.4f}"}
        if count := int(named[:, label].sum()):
            row["precision"] = f"{right / count:.4f}"
        rows.append(row)
    return rows


def _joined(names: Sequence[str], members: np.ndarray) -> str:
    return BETWEEN.join(names[label] for label in np.flatnonzero(members).tolist())
