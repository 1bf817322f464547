"""AIM on a ViT as a reader of the paper would write it down: what `step.py` measures against.

Sequence first as in CLIP, one call of torch's attention module per step, layer norms in fp32, QuickGELU as
x * sigmoid(1.702 x), every block whole. The weights are those of a model of this project, so that results can be
compared.
"""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from video_adapters.model.adapters.adapter import Adapter
from video_adapters.model.adapters.aim import AimBlock
from video_adapters.model.classifier import VideoClassifier
from video_adapters.model.encoders.activation import QuickGelu
from video_adapters.model.encoders.open_clip_vit import OpenClipVitParts
from video_adapters.model.encoders.timm_vit import TimmVitParts


class Plain(nn.Module):
    """The same classifier, written plainly: (B, T, 3, H, W) -> logits (B, num_classes).

    Raises:
        ValueError: for anything but AIM's blocks around those of a ViT.
    """

    def __init__(self, classifier: VideoClassifier) -> None:
        super().__init__()
        self.backbone, self.head = classifier.backbone, classifier.head
        self.blocks = nn.ModuleList(PlainBlock(block) for block in self.backbone.blocks)

    def forward(self, clips: Tensor) -> Tensor:
        backbone, encoder = self.backbone, self.backbone.encoder
        x = encoder.embed(backbone.normalise(clips).flatten(0, 1))
        for i, block in enumerate(self.blocks):
            if i == backbone.time_from:
                x = backbone._mark_time(x)
            x = block((encoder.pre_norm(x) if i == 0 else x).transpose(0, 1)).transpose(0, 1)
        return self.head(encoder.pool(x).unflatten(0, (clips.shape[0], -1)))


class PlainBlock(nn.Module):
    """Yang et al. 2023, figure 2 (d): tokens (N, B*T, D) -> same shape."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        if not isinstance(block, AimBlock) or not isinstance(block.parts, OpenClipVitParts | TimmVitParts):
            raise ValueError(f"there is a plain form of AIM's blocks around a ViT's, not of {type(block).__name__}")
        parts = block.parts.block
        self.attention = _attention(parts.attn)
        norm1, norm2 = (parts.ln_1, parts.ln_2) if hasattr(parts, "ln_1") else (parts.norm1, parts.norm2)
        self.norm1, self.norm2 = _Fp32Norm(norm1), _Fp32Norm(norm2)
        self.mlp = deepcopy(parts.mlp)
        if isinstance(getattr(self.mlp, "gelu", None), QuickGelu):
            self.mlp.gelu = _QuickGelu()
        self.temporal, self.temporal_in, self.spatial, self.joint = (
            _adapter(getattr(block, site)) for site in ("temporal", "temporal_in", "spatial", "joint")
        )
        self.scale, self.drop_path, self.num_times = block.scale, block.drop_path, block.execution.num_times

    def forward(self, x: Tensor) -> Tensor:
        if self.temporal is not None:
            x = x + self._dropped(self.temporal(self._over_time(x)))
        y = self._attend(self.norm1(x))
        x = x + (y if self.spatial is None else y + self.spatial(y))
        z = self.norm2(x)
        y = self.mlp(z)
        return x + (y if self.joint is None else y + self._dropped(self.scale * self.joint(z)))

    def _over_time(self, x: Tensor) -> Tensor:
        y = self.norm1(x.unflatten(1, (-1, self.num_times)).permute(2, 1, 0, 3).flatten(1, 2))
        if self.temporal_in is not None:
            y = y + self.temporal_in(y)
        return self._attend(y).unflatten(1, (-1, x.shape[0])).permute(2, 1, 0, 3).flatten(1, 2)

    def _attend(self, x: Tensor) -> Tensor:
        return self.attention(x, x, x, need_weights=False)[0]

    def _dropped(self, x: Tensor) -> Tensor:
        return self.drop_path(x.transpose(0, 1)).transpose(0, 1)


class _Fp32Norm(nn.Module):
    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.norm = deepcopy(norm)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.float()).to(x.dtype)


class _QuickGelu(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


def _adapter(adapter: Adapter | None) -> nn.Module | None:
    """Linear, GELU, linear, on the same parameters."""
    return None if adapter is None else nn.Sequential(adapter.down, nn.GELU(), adapter.up)


def _attention(attention: Any) -> nn.MultiheadAttention:
    """torch's attention module, sequence first, with the weights of open_clip's or timm's."""
    timm = hasattr(attention, "qkv")
    width = (attention.proj if timm else attention.out_proj).out_features
    plain = nn.MultiheadAttention(width, attention.num_heads).requires_grad_(False)
    names = {"in_proj_": "qkv.", "out_proj.": "proj."} if timm else {"in_proj_": "in_proj_", "out_proj.": "out_proj."}
    theirs = attention.state_dict()
    ends = ("weight", "bias")
    plain.load_state_dict({f"{ours}{end}": theirs[f"{name}{end}"] for ours, name in names.items() for end in ends})
    return plain
