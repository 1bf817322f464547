"""Backbones of every family, small and with random weights, for looking into."""

from collections.abc import Callable
from functools import partial
from typing import Any

import open_clip
import timm
import torch
from torch import Tensor

from video_adapters.model.adapters.aim import Aim
from video_adapters.model.backbone import Backbone
from video_adapters.model.encoders.open_clip_vit import OpenClipVit
from video_adapters.model.encoders.timm_eva import TimmEva
from video_adapters.model.encoders.timm_swin import TimmSwin
from video_adapters.model.encoders.timm_vit import TimmVit

SIZE = 32


def timm_vit(**changes: Any) -> TimmVit:
    """4 patches, width 32, 3 blocks of 4 heads."""
    sizes = dict(img_size=SIZE, embed_dim=32, depth=3, num_heads=4, num_classes=0)
    return TimmVit(timm.create_model("vit_tiny_patch16_224", **sizes, **changes))


def timm_eva() -> TimmEva:
    """4 patches, class token and 4 registers, width 32, 3 blocks of 4 heads, like DINOv3."""
    sizes = dict(img_size=SIZE, embed_dim=32, depth=3, num_heads=4, num_classes=0)
    return TimmEva(timm.create_model("vit_small_patch16_dinov3", global_pool="token", **sizes))


def timm_swin(**changes: Any) -> TimmSwin:
    """8 x 8 patches in 4 windows, shifted in the second block, then 4 x 4 in one; 3 blocks."""
    sizes = dict(img_size=SIZE, window_size=4, embed_dim=16, depths=(2, 1), num_heads=(2, 4), num_classes=0)
    return TimmSwin(timm.create_model("swin_tiny_patch4_window7_224", **{**sizes, **changes}))


def clip_vit() -> OpenClipVit:
    """4 patches, width 64, 3 blocks of 4 heads."""
    vision = dict(image_size=SIZE, layers=3, width=64, patch_size=16, head_width=16)
    text = dict(context_length=8, vocab_size=50, width=64, heads=1, layers=1)
    net: Any = open_clip.create_model("ViT-B-16-quickgelu", embed_dim=16, vision_cfg=vision, text_cfg=text)
    return OpenClipVit(net.visual)


FAMILIES: dict[str, Callable[[], Any]] = {
    "timm": timm_vit,
    "timm with registers": partial(timm_vit, reg_tokens=2),
    "timm mean pooling": partial(timm_vit, global_pool="avg"),
    "timm Eva": timm_eva,
    "timm Swin": timm_swin,
    "timm Swin with odd grid": partial(timm_swin, patch_size=2, window_size=3),
    "open_clip": clip_vit,
}


def backbone(family: str, num_frames: int = 4, method: Any = None, **sites: Any) -> Backbone:
    """An encoder under AIM, its adapters as before training, or under another method."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Backbone(FAMILIES[family](), method or Aim(**sites), num_frames)
    return net.eval()


def clip(num_frames: int = 4) -> Tensor:
    """A random uint8 clip (T, 3, H, W)."""
    generator = torch.Generator().manual_seed(2)
    return torch.randint(0, 256, (num_frames, 3, SIZE, SIZE), dtype=torch.uint8, generator=generator)
