"""AdamW with the parameter groups of AIM's recipe."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from video_adapters.model.classifier import VideoClassifier


@dataclass(frozen=True, kw_only=True)
class AdamW:
    """Settings of the optimizer.

    Raises:
        ValueError: for values out of range.
    """

    lr: float = 3e-4  # of the head, and of everything where backbone_lr_ratio is 1
    backbone_lr_ratio: float = 1.0  # rate of everything but the head, relative to lr (0.1 for ViT-L in AIM)
    encoder_lr_ratio: float = 1.0  # rate of pretrained weights that train, relative to what is added to them
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.05

    def __post_init__(self) -> None:
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"optim.betas is {list(self.betas)}, expected two numbers from 0 to below 1")
        if min(self.lr, self.backbone_lr_ratio, self.encoder_lr_ratio) <= 0 or self.weight_decay < 0:
            raise ValueError(
                f"optim.lr={self.lr}, backbone_lr_ratio={self.backbone_lr_ratio}, "
                f"encoder_lr_ratio={self.encoder_lr_ratio}, weight_decay={self.weight_decay}: "
                "rates must be above 0, the decay at least 0"
            )

    def build(self, model: VideoClassifier) -> torch.optim.AdamW:
        """The optimizer over what trains."""
        first, second = self.betas
        return torch.optim.AdamW(self.groups(model), lr=self.lr, betas=(first, second), weight_decay=0.0)

    def check(self, model: VideoClassifier, saved: list[dict[str, Any]]) -> None:
        """Refuses the parameter groups of a saved state where they are divided otherwise.

        Raises:
            ValueError: naming both.
        """
        here, there = ([(group["name"], len(group["params"])) for group in x] for x in (self.groups(model), saved))
        if here != there:
            raise ValueError(
                f"the run trained its weights in the groups {there}, and would go on in {here}: optim.encoder_lr_ratio "
                "cannot change so; start a new run by init_from=PATH"
            )

    def renew(self, optimizer: torch.optim.Optimizer, model: VideoClassifier) -> None:
        """Gives an optimizer whose state was loaded these settings in place of those that were saved with it."""
        for group, own in zip(optimizer.param_groups, self.groups(model), strict=True):
            settings = {"lr": own["lr"], "initial_lr": own["lr"], "weight_decay": own["weight_decay"]}
            group.update(settings, betas=tuple(self.betas))

    def groups(self, model: VideoClassifier) -> list[dict[str, Any]]:
        """Parameter groups by part (backbone, head) and decay; empty ones are left out.

        Pretrained weights are a part of their own (encoder) where encoder_lr_ratio gives them another rate.

        As in the official release, norms, class and position embeddings and position biases are not decayed; biases of
        linears and the temporal embedding are.
        """
        undecayed = _undecayed(model)
        pretrained = {id(p) for p in model.backbone.pretrained()} if self.encoder_lr_ratio != 1 else set()
        rates = {"head": self.lr, "backbone": self.lr * self.backbone_lr_ratio}
        rates["encoder"] = rates["backbone"] * self.encoder_lr_ratio
        groups: dict[tuple[str, bool], dict[str, Any]] = {}
        for name, parameter in model.trainable().items():
            part = "encoder" if id(parameter) in pretrained else name.split(".")[0]
            decayed = id(parameter) not in undecayed
            group = groups.setdefault(
                (part, decayed),
                {
                    "name": part if decayed else f"{part}, no decay",
                    "params": [],
                    "lr": rates[part],
                    "weight_decay": self.weight_decay if decayed else 0.0,
                },
            )
            group["params"].append(parameter)
        return list(groups.values())


def _undecayed(model: VideoClassifier) -> set[int]:
    blocks: Any = model.backbone.blocks
    norms = (m for m in model.modules() if isinstance(m, (nn.LayerNorm, nn.RMSNorm)))
    exempt = [*(p for m in norms for p in m.parameters(recurse=False)), *model.backbone.encoder.embeddings()]
    exempt += [*model.head.embeddings(), *(model.backbone.side.positions() if model.backbone.side else ())]
    return {id(p) for p in [*exempt, *(p for block in blocks for p in block.positions())]}
