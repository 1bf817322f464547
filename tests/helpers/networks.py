"""Small image networks with random weights, one for each build that a family must get right."""

from copy import deepcopy
from functools import partial
from typing import Any

import open_clip
import timm
import torch
from timm.layers import RmsNorm, SwiGLU
from torch import Tensor, nn

from video_adapters.model.encoders.activation import QuickGelu
from video_adapters.model.encoders.weights import build_random
from video_adapters.model.execution import Execution

IMAGE_SIZE = 32
DEPTH = 3


def timm_vit(**changes: Any) -> "partial[nn.Module]":
    """timm's create_model for 4 patches, width 32, 3 blocks of 4 heads."""
    sizes = dict(img_size=IMAGE_SIZE, embed_dim=32, depth=DEPTH, num_heads=4, num_classes=0)
    return partial(timm.create_model, **{"model_name": "vit_tiny_patch16_224", **sizes, **changes})


def clip_vit(model_name: str = "ViT-B-16-quickgelu", **changes: Any) -> "partial[nn.Module]":
    """open_clip's create_model for 4 patches, width 64, 3 blocks of 4 heads, and a tiny text tower."""
    vision = dict(image_size=IMAGE_SIZE, layers=DEPTH, width=64, patch_size=16, head_width=16)
    text = dict(context_length=8, vocab_size=50, width=64, heads=1, layers=1)
    return partial(
        open_clip.create_model, model_name=model_name, embed_dim=16, vision_cfg={**vision, **changes}, text_cfg=text
    )


def timm_swin(**changes: Any) -> "partial[nn.Module]":
    """timm's create_model for 8 x 8 patches in 4 windows, shifted in the second block, then 4 x 4 in one; 3 blocks."""
    sizes = dict(img_size=IMAGE_SIZE, window_size=4, embed_dim=16, depths=(2, 1), num_heads=(2, 4), num_classes=0)
    return partial(
        timm.create_model, **{"model_name": "swin_tiny_patch4_window7_224", "drop_path_rate": 0.0, **sizes, **changes}
    )


def timm_eva(model_name: str = "vit_small_patch16_dinov3", **changes: Any) -> "partial[nn.Module]":
    """timm's create_model for 4 patches, width 32, 3 blocks of 4 heads of the class Eva; by default DINOv3's."""
    sizes = dict(img_size=IMAGE_SIZE, embed_dim=32, depth=DEPTH, num_heads=4, num_classes=0)
    return partial(timm.create_model, **{"model_name": model_name, **sizes, **changes})


@timm.models.register_model
def siglip_toy(**_: Any) -> nn.Module:
    """A timm network by a name, as open_clip asks for its towers: `timm_vit` without class token, pooled as SigLIP."""
    size = {"input_size": (3, IMAGE_SIZE, IMAGE_SIZE)}
    return timm_vit(class_token=False, global_pool="map", pretrained_cfg_overlay=size)()


def siglip(**changes: Any) -> "partial[nn.Module]":
    """open_clip's create_model for timm's ViT with attention pooling, no projection, and a tiny text tower."""
    vision = dict(timm_model_name="siglip_toy", timm_pool="map", timm_proj="none")
    text = dict(context_length=8, vocab_size=50, width=32, heads=1, layers=1, proj_bias=True, pool_type="last")
    return partial(
        open_clip.create_model,
        model_name="ViT-B-16-SigLIP",
        text_cfg={**text, "no_causal_mask": True},
        **{"embed_dim": 32, "vision_cfg": vision, "force_image_size": IMAGE_SIZE, **changes},
    )


@timm.models.register_model
def pe_core_toy(num_classes: int = 0, **_: Any) -> nn.Module:
    """The Perception Encoder by a name, as open_clip asks for its towers; its classifier is the projection there."""
    size = {"input_size": (3, IMAGE_SIZE, IMAGE_SIZE)}
    return timm_eva("vit_pe_core_tiny_patch16_384", num_classes=num_classes, pretrained_cfg_overlay=size)()


def pe_core(**changes: Any) -> "partial[nn.Module]":
    """open_clip's create_model for timm's Eva with attention pooling and a projection, and a tiny text tower."""
    vision = dict(timm_model_name="pe_core_toy", timm_pool="map", timm_proj=None)
    text = dict(context_length=8, vocab_size=50, width=32, heads=1, layers=1)
    sizes = dict(embed_dim=16, vision_cfg=vision, text_cfg=text, force_image_size=IMAGE_SIZE)
    return partial(open_clip.create_model, **{"model_name": "PE-Core-B-16", **sizes, **changes})


BUILDS: dict[str, "partial[nn.Module]"] = {
    "timm": timm_vit(),
    "timm like DINOv2": timm_vit(reg_tokens=4, no_embed_class=True, init_values=0.1),
    "timm mean pooling": timm_vit(global_pool="avg"),
    "timm norm before": timm_vit(pre_norm=True, dynamic_img_size=True),
    "timm normed queries": timm_vit(qk_norm=True, scale_attn_norm=True, scale_mlp_norm=True),
    "timm like AIMv2": timm_vit(
        class_token=False,
        global_pool="avg",
        fc_norm=False,
        qkv_bias=False,
        proj_bias=False,
        norm_layer=RmsNorm,
        mlp_layer=SwiGLU,
    ),
    "timm DINOv3": timm_eva(global_pool="token", dynamic_img_size=False),
    "timm EVA-02": timm_eva("eva02_base_patch16_clip_224"),
    "timm Swin": timm_swin(),
    "timm Swin with odd grid": timm_swin(patch_size=2, window_size=3),  # 16 and 8 a side: windows are padded
    "open_clip": clip_vit(),
    "open_clip exact GELU": clip_vit("ViT-B-16"),
    "open_clip layer scale": clip_vit(ls_init_value=0.1),
    "open_clip no norm before": clip_vit(no_ln_pre=True),
    "open_clip mean pooling": clip_vit(pool_type="avg"),
    "open_clip mean, then norm": clip_vit(pool_type="avg", final_ln_after_pool=True),
    "open_clip SigLIP": siglip(),
}


def network(build: "partial[nn.Module]") -> nn.Module:
    """The published network, its weights random everywhere, so that no zero or one hides a step left out."""
    net = build_random(build)
    tower: Any = getattr(net, "visual", net)
    if tower is not net:
        tower.proj = None  # CLIP's projection into the space shared with text, no part of the frame's feature
    randomise(tower)
    return tower


def with_our_activation(tower: nn.Module) -> nn.Module:
    """The same network with QuickGELU as our blocks write it: what is left of it must agree to the bit."""
    tower = deepcopy(tower)
    for module in list(tower.modules()):
        for name, child in module.named_children():
            if type(child) is open_clip.transformer.QuickGELU:
                setattr(module, name, QuickGelu())
    return tower


@torch.no_grad()
def randomise(module: nn.Module, scale: float = 0.1) -> None:
    """Adds noise to every weight."""
    generator = torch.Generator().manual_seed(1)
    for parameter in module.parameters():
        parameter.add_(scale * torch.randn(parameter.shape, generator=generator))


def left_unlearned(model: nn.Module) -> list[str]:
    """Names of what is to train and has no gradient."""
    return [name for name, p in model.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]


def executions(num_times: int, depth: int = DEPTH) -> list[Execution]:
    """How blocks run whose tokens are all read."""
    return [Execution(num_times=num_times)] * depth


def clips(num_clips: int = 2, num_frames: int = 4) -> Tensor:
    """Random uint8 clips (B, T, 3, H, W)."""
    generator = torch.Generator().manual_seed(2)
    shape = (num_clips, num_frames, 3, IMAGE_SIZE, IMAGE_SIZE)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
