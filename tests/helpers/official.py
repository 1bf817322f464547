"""State dicts as the official AIM release writes them, with random values; names and shapes written out anew here."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import OmegaConf
from torch import Tensor

from video_adapters.commands import command
from video_adapters.model import checkpoint
from video_adapters.model.build import build_classifier
from video_adapters.model.classifier import VideoClassifier
from video_adapters.official.import_checkpoint import Request, import_official
from video_adapters.trust import checkpoint_file

State = dict[str, Tensor]
Shapes = dict[str, tuple[int, ...]]

REFERENCE = Path(__file__).parents[1] / "model" / "reference"


def vit_clip(
    adapters: int = 2,
    classes: int | None = 12,
    frames: int = 4,
    width: int = 64,
    depth: int = 3,
    patch: int = 16,
    grid: int = 2,
    hollow: bool = False,
) -> State:
    """CLIP's ViT, with one or two temporal adapters; frames of grid x grid patches."""
    shapes: Shapes = {
        "class_embedding": (width,),
        "positional_embedding": (grid * grid + 1, width),
        "temporal_embedding": (1, frames, width),
        "conv1.weight": (width, 3, patch, patch),
        **norm("ln_pre", width),
        **norm("ln_post", width),
    }
    for i in range(depth):
        block = f"transformer.resblocks.{i}"
        shapes |= {f"{block}.attn.in_proj_weight": (3 * width, width), f"{block}.attn.in_proj_bias": (3 * width,)}
        shapes |= linear(f"{block}.attn.out_proj", width, width)
        shapes |= norm(f"{block}.ln_1", width) | norm(f"{block}.ln_2", width)
        shapes |= linear(f"{block}.mlp.c_fc", width, 4 * width) | linear(f"{block}.mlp.c_proj", 4 * width, width)
        shapes |= vit_adapters(block, width, adapters)
    return random(with_head(shapes, width, classes), hollow)


def vit_imagenet(
    adapters: int = 1,
    classes: int | None = 12,
    frames: int = 4,
    width: int = 64,
    depth: int = 3,
    grid: int = 2,
    hollow: bool = False,
) -> State:
    """timm's ViT, with one or two temporal adapters; frames of grid x grid patches of 16 pixels."""
    shapes: Shapes = {
        "cls_token": (1, 1, width),
        "pos_embed": (1, grid * grid + 1, width),
        "temporal_embedding": (1, frames, width),
        "patch_embed.proj.weight": (width, 3, 16, 16),
        "patch_embed.proj.bias": (width,),
        **norm("ln_post", width),
    }
    for i in range(depth):
        shapes |= timm_block(f"blocks.{i}", width) | vit_adapters(f"blocks.{i}", width, adapters)
    return random(with_head(shapes, width, classes), hollow)


def swin(
    classes: int | None = 12,
    absolute: bool = False,
    times: int = 2,
    tubelet: int = 2,
    same: bool = True,
    width: int = 16,
    depths: tuple[int, ...] = (2, 2),
    heads: int = 2,
    window: int = 4,
    grid: int = 8,
    hollow: bool = False,
) -> State:
    """Swin; frames of grid x grid patches of 4 pixels.

    `absolute` has a temporal embedding beside the time bias. `same`: the frames of a tubelet have the same patch
    weights, as before any training.
    """
    last = width * 2 ** (len(depths) - 1)
    shapes: Shapes = {
        "patch_embed.proj.weight": (width, 3, tubelet, 4, 4),
        "patch_embed.proj.bias": (width,),
        **norm("patch_embed.norm", width),
        **norm("norm", last),
        **({"temporal_embedding": (1, times, width)} if absolute else {}),
    }
    buffers: Shapes = {}
    for stage, depth in enumerate(depths):
        d, h, name = width * 2**stage, heads * 2**stage, f"layers.{stage}"
        for i in range(depth):
            block, attention = f"{name}.blocks.{i}", f"{name}.blocks.{i}.attn"
            shapes |= timm_block(block, d) | {f"{attention}.relative_position_bias_table": ((2 * window - 1) ** 2, h)}
            shapes |= adapter(f"{block}.S_Adapter", d) | adapter(f"{block}.S_Adapter2", d)
            buffers[f"{attention}.relative_position_index"] = (window**2, window**2)
            if i % 2 == 0:
                shapes |= adapter(f"{block}.T_Adapter", d)
                shapes[f"{attention}.temporal_position_bias_table"] = (2 * times - 1, h)
                buffers[f"{attention}.t_relative_coords"] = (times**2,)
            elif grid // 2**stage > window:
                buffers[f"{block}.attn_mask"] = ((grid // 2**stage // window) ** 2, window**2, window**2)
        if stage + 1 < len(depths):
            shapes[f"{name}.downsample.reduction.weight"] = (2 * d, 4 * d)
            shapes |= norm(f"{name}.downsample.norm", 4 * d)
    state = random(with_head(shapes, last, classes), hollow)
    if same:
        state["patch_embed.proj.weight"] = state["patch_embed.proj.weight"][:, :, :1].repeat(1, 1, tubelet, 1, 1)
    return state | {name: torch.zeros(shape) for name, shape in buffers.items()}


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


def random(shapes: Shapes, hollow: bool) -> State:
    """Values that occur once each or, `hollow`, zeros that take no memory."""
    generator = torch.Generator().manual_seed(4)
    if hollow:
        return {name: torch.zeros(()).expand(shape) for name, shape in shapes.items()}
    return {name: 0.1 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def whole(state: State) -> State:
    """The names of a whole recogniser: the backbone's with `backbone.`."""
    return {name if name.startswith("cls_head.") else f"backbone.{name}": value for name, value in state.items()}


def imported(folder: Path, content: Any, *overrides: str, **said: Any) -> dict[str, Any]:
    """Imports a file with this content, in this process; `folder/aim.ckpt` is what comes out."""
    command.set_up()
    torch.save(content, folder / "official.pth")
    request = {"data": "moving_shapes", **said}
    return import_official(
        Request(checkpoint=folder / "official.pth", out=folder / "aim.ckpt", overrides=overrides, **request)
    )


def rebuilt(path: Path) -> VideoClassifier:
    """The network of one of our checkpoints, from nothing but the file and what it names."""
    loaded = checkpoint_file.read(path)
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
