"""State dicts as the official AIM release writes them, with random values; names and shapes written out anew here."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from video_adapters.model.classifier import VideoClassifier
from video_adapters.training import checkpoint, entry
from video_adapters.training.build import build_classifier
from video_adapters.training.import_official import Request, import_official

State = dict[str, Tensor]
Shapes = dict[str, tuple[int, ...]]

REFERENCE = Path(__file__).parent / "model" / "reference"


def vit_clip(adapters: int = 2, classes: int | None = 12, frames: int = 4, depth: int = 3) -> State:
    """CLIP's ViT: frames of 32 pixels, width 64, with one or two temporal adapters."""
    shapes: Shapes = {
        "class_embedding": (64,),
        "positional_embedding": (5, 64),
        "temporal_embedding": (1, frames, 64),
        "conv1.weight": (64, 3, 16, 16),
        **norm("ln_pre", 64),
        **norm("ln_post", 64),
    }
    for i in range(depth):
        block = f"transformer.resblocks.{i}"
        shapes |= {f"{block}.attn.in_proj_weight": (192, 64), f"{block}.attn.in_proj_bias": (192,)}
        shapes |= linear(f"{block}.attn.out_proj", 64, 64)
        shapes |= norm(f"{block}.ln_1", 64) | norm(f"{block}.ln_2", 64)
        shapes |= linear(f"{block}.mlp.c_fc", 64, 256) | linear(f"{block}.mlp.c_proj", 256, 64)
        shapes |= vit_adapters(block, 64, adapters)
    return random(with_head(shapes, 64, classes))


def vit_imagenet(adapters: int = 1, classes: int | None = 12, frames: int = 4, depth: int = 3) -> State:
    """timm's ViT: frames of 32 pixels, width 64, with one or two temporal adapters."""
    shapes: Shapes = {
        "cls_token": (1, 1, 64),
        "pos_embed": (1, 5, 64),
        "temporal_embedding": (1, frames, 64),
        "patch_embed.proj.weight": (64, 3, 16, 16),
        "patch_embed.proj.bias": (64,),
        **norm("ln_post", 64),
    }
    for i in range(depth):
        shapes |= timm_block(f"blocks.{i}", 64) | vit_adapters(f"blocks.{i}", 64, adapters)
    return random(with_head(shapes, 64, classes))


def swin(
    classes: int | None = 12, absolute: bool = False, times: int = 2, tubelet: int = 2, same: bool = True
) -> State:
    """Swin: frames of 32 pixels, windows of 4x4 patches of 4 pixels, widths 16 and 32; masks in the first stage.

    `absolute` has a temporal embedding beside the time bias. `same`: the frames of a tubelet have the same patch
    weights, as before any training.
    """
    shapes: Shapes = {
        "patch_embed.proj.weight": (16, 3, tubelet, 4, 4),
        "patch_embed.proj.bias": (16,),
        **norm("patch_embed.norm", 16),
        "layers.0.downsample.reduction.weight": (32, 64),
        **norm("layers.0.downsample.norm", 64),
        **norm("norm", 32),
        **({"temporal_embedding": (1, times, 16)} if absolute else {}),
    }
    for stage, width, heads in ((0, 16, 2), (1, 32, 4)):
        for i in range(2):
            block = f"layers.{stage}.blocks.{i}"
            shapes |= timm_block(block, width) | {f"{block}.attn.relative_position_bias_table": (49, heads)}
            for name in ("S_Adapter", "S_Adapter2", *(("T_Adapter",) if i == 0 else ())):
                shapes |= adapter(f"{block}.{name}", width)
        shapes[f"layers.{stage}.blocks.0.attn.temporal_position_bias_table"] = (2 * times - 1, heads)
    state = random(with_head(shapes, 32, classes))
    if same:
        state["patch_embed.proj.weight"] = state["patch_embed.proj.weight"][:, :, :1].repeat(1, 1, tubelet, 1, 1)
    for block in ("layers.0.blocks.0", "layers.0.blocks.1", "layers.1.blocks.0", "layers.1.blocks.1"):
        state[f"{block}.attn.relative_position_index"] = torch.zeros(16, 16, dtype=torch.long)
    for stage in range(2):
        state[f"layers.{stage}.blocks.0.attn.t_relative_coords"] = torch.zeros(times**2, dtype=torch.long)
    state["layers.0.blocks.1.attn_mask"] = torch.zeros(4, 16, 16)  # 8x8 patches are 2x2 windows
    return state


BUFFERS = ("relative_position_index", "t_relative_coords", "attn_mask")


def linear(name: str, inputs: int, outputs: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def adapter(name: str, width: int) -> Shapes:
    return linear(f"{name}.D_fc1", width, width // 4) | linear(f"{name}.D_fc2", width // 4, width)


def vit_adapters(block: str, width: int, temporal: int) -> Shapes:
    shapes: Shapes = {}
    for name in ("MLP_Adapter", "S_Adapter", "T_Adapter", "T_Adapter_in")[: 2 + temporal]:
        shapes |= adapter(f"{block}.{name}", width)
    return shapes


def timm_block(block: str, width: int) -> Shapes:
    shapes = norm(f"{block}.norm1", width) | norm(f"{block}.norm2", width)
    shapes |= linear(f"{block}.attn.qkv", width, 3 * width) | linear(f"{block}.attn.proj", width, width)
    return shapes | linear(f"{block}.mlp.fc1", width, 4 * width) | linear(f"{block}.mlp.fc2", 4 * width, width)


def with_head(shapes: Shapes, width: int, classes: int | None) -> Shapes:
    """The whole model: the backbone's names with their prefix, and a head where there are classes."""
    return shapes | ({} if classes is None else linear("cls_head.fc_cls", width, classes))


def random(shapes: Shapes) -> State:
    generator = torch.Generator().manual_seed(4)
    return {name: 0.1 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def whole(state: State) -> State:
    """The names of a whole recogniser: the backbone's with `backbone.`."""
    return {name if name.startswith("cls_head.") else f"backbone.{name}": value for name, value in state.items()}


def imported(folder: Path, content: Any, *overrides: str, **said: Any) -> dict[str, Any]:
    """Imports a file with this content, in this process; `folder/aim.ckpt` is what comes out."""
    entry.set_up()
    torch.save(content, folder / "official.pth")
    request = {"data": "moving_shapes", **said}
    return import_official(
        Request(checkpoint=folder / "official.pth", out=folder / "aim.ckpt", overrides=overrides, **request)
    )


def rebuilt(path: Path) -> VideoClassifier:
    """The network of one of our checkpoints, from nothing but the file and what it names."""
    from omegaconf import OmegaConf

    loaded = checkpoint.read(path)
    origin = checkpoint.origin(loaded)
    classifier = build_classifier(OmegaConf.create(origin.config))
    own = checkpoint.Origin(origin.config, origin.class_names, classifier.backbone.encoder.fingerprint)
    checkpoint.load_trained(classifier, own, loaded)
    return classifier.eval()


def reference(name: str) -> tuple[State, State, dict[str, Any]]:
    """One of the release's own models: its weights, its other numbers, and what is said of it."""
    about = json.loads((REFERENCE / f"{name}.json").read_text())
    with np.load(REFERENCE / f"{name}.npz") as archive:
        numbers = {key: torch.from_numpy(archive[key]) for key in archive.files}
    weights = {key[2:]: value for key, value in numbers.items() if key.startswith("w/")}
    return weights, {key: value for key, value in numbers.items() if not key.startswith("w/")}, about
