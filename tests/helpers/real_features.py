"""Three training steps on encoders whose features look like those of CLIP and DINOv2."""

from functools import cache
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from torch import Tensor, nn

from video_adapters.data.dataset import Batch
from video_adapters.model.adapters.adapter import DropPath
from video_adapters.model.build import build_classifier
from video_adapters.model.checkpoint import Origin
from video_adapters.model.encoders import pretrained
from video_adapters.model.execution import cast_frozen
from video_adapters.training.loss import LossSettings, build_loss
from video_adapters.training.module import ActionModule

from helpers.toy import SMALL, composed

CLIPS, CLASSES, STEPS = 8, 5, 3
LOUD = 3  # channels


@torch.no_grad()
def make_real(net: nn.Module) -> nn.Module:
    """Gives an image network features far from 0 that hardly differ, three channels a hundred times the others.

    As in CLIP and DINOv2 the same channels are loud in the residual stream, ahead of every block.
    """
    tower: Any = getattr(net, "visual", net)
    weights = dict(tower.named_parameters())
    loud = ("patch_embed.norm.bias",) if "patch_embed.norm.bias" in weights else ("pos_embed", "positional_embedding")
    for name in loud:
        if name in weights:
            weights[name][..., :LOUD] += 100 * weights[name].std() + 10
    norm = next(weights[name] for name in ("norm.bias", "ln_post.bias") if name in weights)
    norm += 20
    norm[:LOUD] *= 100
    next(weights[name] for name in ("norm.weight", "ln_post.weight") if name in weights).mul_(0.03)
    return net


class Trainer:
    """What the module asks of Lightning's, on one device."""

    world_size = accumulate_grad_batches = 1

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizers = [optimizer]
        self.strategy = self

    def reduce(self, tensor: Tensor, reduce_op: str) -> Tensor:
        return tensor

    def all_gather(self, tensor: Tensor) -> Tensor:
        return tensor


def toy_of(model_name: str) -> str:
    """The toy of an encoder's family."""
    if model_name.startswith("swin"):
        return "toy_swin"
    return "toy_clip" if model_name.startswith("ViT") else "toy_vit"


@cache
def losses(experiment: str, half: torch.dtype | None, *more: str) -> Tensor:
    """Of three optimizer steps by an experiment's recipe, without what is drawn in training."""
    small = [one for one in SMALL if not one.startswith("model=")]
    model = toy_of(composed(f"experiment={experiment}").model.encoder.model_name)
    sizes = ["data.image_size=32", f"data.num_classes={CLASSES}", "data.root=.", "head.dropout=0", "run_dir=."]
    cfg = composed(f"experiment={experiment}", *small, f"model={model}", *sizes, *more)
    plain = pretrained.build_random
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretrained, "build_random", lambda build: make_real(plain(build)))
        classifier = build_classifier(cfg)
    for part in classifier.modules():
        if isinstance(part, DropPath):
            part.rate = 0.0
    cast_frozen(classifier, half)
    module = ActionModule(
        classifier,
        optim=instantiate(cfg.optim, _convert_="all"),
        schedule=instantiate(cfg.schedule, _convert_="all"),
        origin=Origin({}, (), ""),
        loss=build_loss(LossSettings(), cfg.data.num_classes),
    ).train()
    return _three_steps(module, cfg.data.num_frames, cfg.trainer.gradient_clip_val, half)


def _three_steps(module: ActionModule, num_frames: int, clip: float | None, half: torch.dtype | None) -> Tensor:
    optimizer = module.optim.build(module.classifier)
    trainer: Any = Trainer(optimizer)
    module._trainer = trainer
    scaler = torch.amp.GradScaler("cpu", enabled=half == torch.float16)
    seen = []
    for step in range(STEPS):
        optimizer.zero_grad()
        with torch.autocast("cpu", half, enabled=half is not None):
            loss = module.training_step(_batch(step, num_frames), step)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        module.on_before_optimizer_step(optimizer)
        if clip:
            nn.utils.clip_grad_norm_(module.parameters(), clip)
        scaler.step(optimizer)
        scaler.update()
        seen.append(loss.detach())
    return torch.stack(seen)


@cache
def _batch(step: int, num_frames: int) -> Batch:
    generator = torch.Generator().manual_seed(step)
    clips = torch.randint(0, 256, (CLIPS, 1, num_frames, 3, 32, 32), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, CLASSES, (CLIPS,), generator=generator)
    return Batch(clips, labels, torch.full((CLIPS,), 1 / CLIPS), torch.arange(CLIPS), torch.ones(CLIPS).bool(), [])
