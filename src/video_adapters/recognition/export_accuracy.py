"""Accuracy of an exported network on the videos that validated its run, beside that of the same network in float32."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from hydra.errors import InstantiationException
from omegaconf import DictConfig
from sklearn.metrics import average_precision_score
from torch import Tensor

from video_adapters.commands.intervals import Z
from video_adapters.commands.terminal import advancing
from video_adapters.commands.wording import counted
from video_adapters.data.annotations.held_out import stratified
from video_adapters.data.annotations.label_sets import strata
from video_adapters.data.datamodule import VideoData
from video_adapters.data.from_config import build_data
from video_adapters.data.video.frame_source import DecodeError
from video_adapters.recognition.export_formats import Run

RESAMPLES = 200  # of the videos, for the interval of a difference of mAP


def validation_data(cfg: DictConfig, root: str | None, videos: int) -> VideoData:
    """The data of a checkpoint's config, of whose validation so many videos are taken, spread over the list.

    Args:
        cfg: the checkpoint's config.
        root: where the data set is; None: where the config remembers it.
        videos: at most so many.

    Raises:
        ValueError: it is not there, and `--data` says where it is.
    """
    cfg = cfg.copy()
    cfg.data.root, cfg.data.max_videos = root or cfg.data.root, min(videos, cfg.data.max_videos or videos)
    try:
        data = build_data(cfg, render=False)
        data.videos("val")
    except (ValueError, InstantiationException) as error:
        if isinstance(error, InstantiationException) and not isinstance(error.__cause__, ValueError):
            raise
        raise ValueError(
            f"fp16 and int8 are kept only with their accuracy on the run's validation videos, and these are not at "
            f"hand: {error.__cause__ or error}; --data ROOT says where they are now"
        ) from error
    if len(missing := data.missing["val"]) == len(data.videos("val")):
        raise ValueError(
            f"fp16 and int8 are kept only with their accuracy on the run's validation videos, and none of these is in "
            f"{data.root}, such as {missing[0]}; --data ROOT says where they are now"
        )
    return data


def calibration_clips(data: VideoData, videos: int) -> Iterator[Tensor]:
    """The first view of about so many validation videos, (1, T, 3, S, S) uint8: the same share of each class, at least
    one.

    The same videos in every call; those that cannot be read are left out.
    """
    clips, groups = data.test_clips("val"), strata(data.videos("val").labels, data.label_sets)
    chosen = stratified(groups, min(1.0, videos / len(groups)))
    with advancing("calibrated", len(chosen)) as show:
        for done, index in enumerate(chosen, start=1):
            try:
                yield clips.views(index)[0][:1]
            except DecodeError:
                continue
            finally:
                show(done)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Scores of a network and of the same in float32 on the same videos, as fractions."""

    metric: str  # top1, or mAP where a video may have several classes
    value: float
    fp32: float
    interval: tuple[float, float]  # ends of the 95 % interval of `value - fp32`
    videos: int
    unreadable: int  # of these; they count as wrong

    @property
    def points(self) -> float:
        """What is won over float32, or below 0 lost."""
        return 100 * (self.value - self.fp32)

    def described(self) -> dict[str, Any]:
        """For the description beside the network; differences in points."""
        return {
            "metric": self.metric,
            "value": round(self.value, 4),
            "fp32": round(self.fp32, 4),
            "difference_points": round(self.points, 2),
            "difference_interval_95": [round(100 * end, 2) for end in self.interval],
            "videos": self.videos,
            "unreadable": self.unreadable,
        }

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.metric} {self.value:.1%}, that of fp32 {self.fp32:.1%}: {self.points:+.1f} points (95% interval "
            f"{100 * low:+.1f} to {100 * high:+.1f}) on {counted(self.videos, 'validation video')}"
        )


def compare(data: VideoData, probabilities: Callable[[Tensor], Tensor], plain: Run, reduced: Run) -> Comparison:
    """Scores two opened files on the views of each validation video, as the run was validated.

    Args:
        data: whose validation videos are scored.
        probabilities: of what the files give, (V, C) -> (V, C).
        plain: the file in float32.
        reduced: the other one.

    Raises:
        ValueError: no video can be read.
    """
    labels = data.videos("val").labels
    before, after, readable = _scores(data, probabilities, (plain, reduced))
    if not readable.any():
        raise ValueError(
            f"none of the {len(labels)} validation videos can be read: their accuracy says nothing, and nothing was "
            "written; `python src/prepare.py check` says why"
        )
    if data.label_sets is not None:
        truth = data.label_sets[labels]
        metric, values = "mAP", [mean_average_precision(one, truth) for one in (before, after)]
        interval = _bootstrapped(before, after, truth)
    else:
        correct = [(one.argmax(1) == labels) & np.isfinite(one).all(1) & readable for one in (before, after)]
        metric, values, interval = "top1", [float(one.mean()) for one in correct], paired_interval(*correct)
    return Comparison(
        metric=metric, value=values[1], fp32=values[0], interval=interval, videos=len(labels),
        unreadable=int((~readable).sum()),
    )  # fmt: skip


def _scores(
    data: VideoData, probabilities: Callable[[Tensor], Tensor], runs: Sequence[Run]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each validation video, by two files, (N, C) each, 0 where it cannot be read; and whether it can, (N,) bool."""
    clips, count = data.test_clips("val"), len(data.videos("val"))
    scores, readable = np.zeros((2, count, data.num_classes), np.float32), np.ones(count, bool)
    with advancing("scored", count) as show:
        for index in range(count):
            show(index)
            try:
                views = clips.views(index)[0].contiguous().split(1)
            except DecodeError:
                readable[index] = False
                continue
            for run, one in zip(runs, scores, strict=True):
                one[index] = torch.cat([probabilities(run(view)) for view in views]).mean(0).numpy()
    return scores[0], scores[1], readable


def paired_interval(before: np.ndarray, after: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of a difference of accuracy between two networks on the same videos, (N,) bool each.

    Agresti and Min (2005): Wald's, with half a video added to each of the four cells, so that it holds for few videos
    and has a width where the two never disagree.
    """
    n, won, lost = len(before) + 2, (after & ~before).sum() + 0.5, (before & ~after).sum() + 0.5
    centre, half = (won - lost) / n, Z * math.sqrt(won + lost - (won - lost) ** 2 / n) / n
    return float(centre - half), float(centre + half)


def mean_average_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    """Over the classes that occur: scores (N, C), truth (N, C) bool. What is not finite ranks last."""
    present = truth.any(0)
    finite = np.where(np.isfinite(scores), scores, -np.inf).clip(-1)
    return float(np.mean([average_precision_score(truth[:, c], finite[:, c]) for c in np.flatnonzero(present)]))


def _bootstrapped(before: np.ndarray, after: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of a difference of mAP, by drawing the videos again (Efron's percentile bootstrap)."""
    generator, differences = np.random.default_rng(0), []
    for _ in range(RESAMPLES):
        drawn = generator.integers(len(truth), size=len(truth))
        one, other = (mean_average_precision(scores[drawn], truth[drawn]) for scores in (before, after))
        differences.append(other - one)
    low, high = np.nanquantile(differences, (0.025, 0.975))
    return float(low), float(high)
