"""Pretraining of a small image encoder: the contents of stills of moving shapes, predicted from its pooled feature."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from video_adapters.commands.atomic import replacing
from video_adapters.data.shapes.drawing import SHAPES
from video_adapters.model.finite_weights import NotFinite, refuse_not_finite
from video_adapters.pretraining.stills import TARGETS, Stills, draw_stills
from video_adapters.training.schedule import factor


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How long and how fast an encoder is trained."""

    steps: int  # optimizer steps, each on pictures never seen before
    batch_size: int  # stills per step
    learning_rate: float  # at its highest
    warmup_steps: int  # from 0 to the highest rate, linearly; a half cosine to 0 follows
    weight_decay: float
    seed: int  # of the pictures and of the first weights

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"recipe.{name} is {getattr(self, name)}, expected at least 1")

    def rate_at(self, step: int) -> float:
        """Learning rate of the step counted from 0."""
        return self.learning_rate * factor(step, self.steps, self.warmup_steps)


class Reader(nn.Module):
    """An encoder's feature -> what the still shows: (M, 3, H, H) -> (M, len(TARGETS)) and shape logits."""

    def __init__(self, encoder: nn.Module, width: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.targets = nn.Linear(width, len(TARGETS))
        self.shape = nn.Linear(width, len(SHAPES))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        feature = self.encoder(images)
        return self.targets(feature), self.shape(feature)


def to_input(images: np.ndarray) -> Tensor:
    """(M, H, H, 3) uint8 -> (M, 3, H, H) float from -1 to 1: mean and standard deviation are 0.5."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def target_mask(stills: Stills) -> Tensor:
    """Which targets a still shows, (M, len(TARGETS)) bool: all of them of what is visible, the opacity always."""
    mask = torch.from_numpy(stills.visible)[:, None].repeat(1, len(TARGETS))
    mask[:, TARGETS.index("opacity")] = True
    return mask


def still_loss(predicted: tuple[Tensor, Tensor], stills: Stills) -> Tensor:
    """Squared error of the targets plus a share of the shape's cross-entropy, which would else outweigh them."""
    targets, logits = predicted
    mask, visible = target_mask(stills), torch.from_numpy(stills.visible)
    error = F.mse_loss(targets[mask], torch.from_numpy(stills.targets)[mask])
    return error + 0.2 * F.cross_entropy(logits[visible], torch.from_numpy(stills.shape)[visible])


def pretrain(reader: Reader, image_size: int, recipe: Recipe, report: Callable[[int, float], None]) -> None:
    """Train the reader and its encoder in place; `report` gets each step and its loss.

    Raises:
        NotFinite: the loss is no number any more.
    """
    generator = np.random.default_rng([recipe.seed, 0])
    decayed = [p for p in reader.parameters() if p.ndim > 1]
    other = [p for p in reader.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": decayed}, {"params": other, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    reader.train()
    for step in range(recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate_at(step)
        stills = draw_stills(generator, recipe.batch_size, image_size)
        loss = still_loss(reader(to_input(stills.images)), stills)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
        optimizer.step()
        if not math.isfinite(value := loss.item()):
            raise NotFinite(
                f"step {step + 1} has the loss {value} at a rate of {recipe.rate_at(step):.3g}, and no encoder was "
                "written. Try a smaller recipe.learning_rate"
            )
        report(step, value)


@torch.no_grad()
def scale_residual(encoder: nn.Module, factor: float) -> None:
    """Multiply all that a timm ViT or Swin adds up along its blocks; its norms undo that, but for their epsilon.

    With a small factor, what adapters and a temporal embedding add to the sum from zero counts for more at each step:
    their optimizer steps have one size whatever the tokens' is.
    """
    parameters = dict(encoder.named_parameters())
    patches = "patch_embed.norm." if "patch_embed.norm.weight" in parameters else "patch_embed.proj."
    written = (patches, "cls_token", "pos_embed", ".attn.proj.", ".mlp.fc2.", ".downsample.reduction.")
    for name, parameter in parameters.items():
        if any(part in name for part in written):
            parameter.mul_(factor)


def save_encoder(encoder: nn.Module, path: Path, facts: dict[str, str]) -> None:
    """Write an encoder's weights under its own parameter names, with facts about them in the file's header."""
    refuse_not_finite(encoder.state_dict(), "the encoder, not written")
    with replacing(path) as part:
        save_file({name: value.contiguous() for name, value in encoder.state_dict().items()}, part, facts)
