"""A linear map from a frozen encoder's feature to the contents of stills."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from video_adapters.data.shapes.drawing import SHAPES
from video_adapters.pretraining.pretrain import target_mask, to_input
from video_adapters.pretraining.stills import TARGETS, Stills, draw_stills

PROPERTIES = {
    "position": ("x", "y"),
    "size": ("size",),
    "opacity": ("opacity",),
    "angle": ("cos angle", "sin angle"),
    "hue": ("cos hue", "sin hue"),
    "distance": ("distance",),
    "axis": ("distance cos axis", "distance sin axis"),
}
"""What `probe` reports of, and the targets that make it up."""


def probe(encoder: nn.Module, image_size: int, num_fit: int = 4000, num_held_out: int = 2000) -> dict[str, float]:
    """How well a linear map of the encoder's frozen feature tells what unseen stills show.

    The map is a ridge regression, fitted on other stills that the encoder has not seen either.

    Returns: the share of variance explained (R^2) for each of PROPERTIES, and the accuracy for the shape.
    """
    seen, unseen = (draw_stills(np.random.default_rng([7, n]), n, image_size) for n in (num_fit, num_held_out + 1))
    features, new_features = _features(encoder, seen.images), _features(encoder, unseen.images)
    quality = {}
    for name, parts in PROPERTIES.items():
        columns = [TARGETS.index(part) for part in parts]
        shown, new_shown = target_mask(seen)[:, columns[0]], target_mask(unseen)[:, columns[0]]
        weights = _ridge(features[shown], torch.from_numpy(seen.targets)[shown][:, columns].double())
        truth = torch.from_numpy(unseen.targets)[new_shown][:, columns].double()
        error = (new_features[new_shown] @ weights - truth).square().sum()
        quality[name] = 1 - float(error / (truth - truth.mean(0)).square().sum())
    return quality | {"shape": _shape_accuracy(features, seen, new_features, unseen)}


def _shape_accuracy(features: Tensor, seen: Stills, new_features: Tensor, unseen: Stills) -> float:
    shown, new_shown = torch.from_numpy(seen.visible), torch.from_numpy(unseen.visible)
    weights = _ridge(features[shown], F.one_hot(torch.from_numpy(seen.shape)[shown], len(SHAPES)).double())
    right = (new_features[new_shown] @ weights).argmax(1) == torch.from_numpy(unseen.shape)[new_shown]
    return float(right.double().mean())


@torch.no_grad()
def _features(encoder: nn.Module, images: np.ndarray) -> Tensor:
    """(M, H, H, 3) uint8 -> (M, D + 1) double, the last column 1."""
    encoder.eval()
    features = torch.cat([encoder(to_input(part)) for part in np.array_split(images, max(1, len(images) // 256))])
    return torch.cat([features, torch.ones(len(features), 1)], 1).double()


def _ridge(features: Tensor, targets: Tensor) -> Tensor:
    """Weights of the linear map: (M, D), (M, K) -> (D, K)."""
    gram = features.T @ features + 0.1 * torch.eye(features.shape[1], dtype=features.dtype)
    return torch.linalg.solve(gram, features.T @ targets)
