"""Carrying what was learned per frame over to clips of another number of frames."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from video_adapters.model.adapters.adapter import TimeBias
from video_adapters.model.classifier import VideoClassifier
from video_adapters.model.heads.linear_in_order import LinearInOrderHead


def time_weights(classifier: VideoClassifier) -> dict[str, str]:
    """Names of the weights whose shape depends on the frames of a clip, and their kind: `embedding`, `bias`, or of a
    head that reads frames in order `statistics` or `weight`."""
    kinds = {f"{name}.table": "bias" for name, m in classifier.named_modules() if isinstance(m, TimeBias)}
    if classifier.backbone.temporal_embedding is not None:
        kinds["backbone.temporal_embedding"] = "embedding"
    if "positions" in dict(classifier.head.named_parameters()):  # learned ones
        kinds["head.positions"] = "embedding"
    if isinstance(classifier.head, LinearInOrderHead):
        kinds["head.linear.weight"] = "weight"
        if classifier.head.standardise is not None:
            kinds |= {f"head.standardise.{name}": "statistics" for name in ("mean", "var")}
    return kinds


def resize_time(weights: Mapping[str, Tensor], classifier: VideoClassifier) -> dict[str, Tensor]:
    """Weights of a model for other clips, with what they have over time interpolated linearly to this model's."""
    kinds, times, width = time_weights(classifier), classifier.backbone.num_times, classifier.backbone.width
    resize: dict[str, Callable[[Tensor], Tensor]] = {
        "bias": lambda w: resize_bias(w, times),
        "embedding": lambda w: resize_embedding(w, times),
        "statistics": lambda w: resize_embedding(w.view(1, -1, width), times).flatten(),
        "weight": lambda w: resize_weight(w, times, width),
    }
    return {name: resize[kinds[name]](w) if name in kinds else w for name, w in weights.items()}


def resize_embedding(embedding: Tensor, num_times: int) -> Tensor:
    """(1, S, D) -> (1, num_times, D). A frame stands in the middle of its part of the clip, as segments are sampled;
    what lies outside of the first and last middle takes their values."""
    length = embedding.shape[1]
    middles = (torch.arange(num_times) + 0.5) * length / num_times - 0.5
    return _interpolated(embedding[0], middles)[None]


def resize_weight(weight: Tensor, num_times: int, width: int) -> Tensor:
    """(C, S*D) -> (C, num_times*D), smaller by as much as there are more frames: a still clip keeps its scores."""
    by_class = weight.unflatten(1, (-1, width))
    resized = torch.cat([resize_embedding(of_class[None], num_times) for of_class in by_class])
    return resized.flatten(1) * (by_class.shape[1] / num_times)


def resize_bias(table: Tensor, num_times: int) -> Tensor:
    """(2 S - 1, heads) -> (2 num_times - 1, heads). A clip is as long as before, so that d frames apart of S are
    d * num_times / S apart now; distance 0 stays itself, and what lies beyond the farthest takes its value."""
    length = (table.shape[0] + 1) // 2
    distances = torch.arange(1 - num_times, num_times) * length / num_times
    return _interpolated(table, distances + length - 1)


def _interpolated(rows: Tensor, places: Tensor) -> Tensor:
    """Rows (L, D) read at fractional places (K,), held at both ends: (K, D)."""
    places = places.clamp(0, rows.shape[0] - 1)
    below = places.floor().long()
    above = places.ceil().long()
    return torch.lerp(rows[below], rows[above], (places - below).to(rows.dtype)[:, None])
