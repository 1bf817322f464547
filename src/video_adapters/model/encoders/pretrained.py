"""Building an encoder by timm or open_clip and filling it with its published weights."""

import hashlib
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import open_clip
import timm
import torch
from torch import nn

from video_adapters.model.encoders.encoder import Encoder
from video_adapters.model.encoders.open_clip_vit import OpenClipVit
from video_adapters.model.encoders.timm_vit import TimmVit

FAMILIES: tuple[type[Encoder], ...] = (TimmVit, OpenClipVit)

PROJECT = Path(__file__).parents[4]


def load_encoder(
    encoder: "partial[nn.Module]", weights: str | None = None, allow_random: bool = False, download: str = ""
) -> Encoder:
    """Builds an image network, loads its weights strictly and opens it at its blocks.

    Args:
        encoder: `timm.create_model` or `open_clip.create_model` with everything but the weights filled in.
        weights: a file (relative to the current folder, else to the project's), or the tag under which the library's
            hub holds them (`openai`, `augreg_in21k`); None for random weights, which needs `allow_random`.
        allow_random: permits a frozen encoder that has learned nothing (tests, cost counts).
        download: where the weights can be had by hand, for the error message.

    Raises:
        ValueError: without weights, for a missing or unfit file, when the hub is out of reach, and for a network whose
            class belongs to no family.
    """
    if weights is None:
        return open_up(_random(encoder, allow_random))
    file = find_file(weights)
    load = _from_hub if file is None else _from_file
    try:
        net = load(encoder, str(file or weights))
    except Exception as error:  # hubs and readers fail in too many ways to list; the cause is kept and shown
        source = f"the file {file}" if file else f"the hub, under the name '{weights}'"
        hint = f" They can be fetched by hand from {download}, then model.weights=PATH." if download and not file else ""
        raise ValueError(
            f"model.weights: {_title(encoder)} could not be loaded from {source}: {_first_line(error)}.{hint}"
        ) from error
    return open_up(net)


def open_up(net: nn.Module) -> Encoder:
    """Opens an image network, or the image tower of an open_clip model, by the family that knows its class.

    Raises:
        ValueError: when none does.
    """
    tower = getattr(net, "visual", net)
    tower = getattr(tower, "trunk", tower)
    for family in FAMILIES:
        if type(tower) is family.wraps:
            weights = fingerprint(tower)
            encoder = family(tower)  # type: ignore[call-arg]
            encoder.fingerprint = weights
            return encoder
    known = ", ".join(f"{f.wraps.__module__}.{f.wraps.__name__}" for f in FAMILIES)
    raise ValueError(f"the encoder is a {type(tower).__module__}.{type(tower).__name__}; supported are: {known}")


def find_file(weights: str) -> Path | None:
    """The file that `weights` names, or None where it reads as a hub's tag.

    Raises:
        ValueError: when it reads as a path but no file is there.
    """
    path = Path(weights).expanduser()
    candidates = [path] if path.is_absolute() else [path, PROJECT / path]
    for candidate in candidates:
        if candidate.is_file():
            return candidate.absolute()
    if path.suffix in {".pt", ".pth", ".bin", ".npz", ".safetensors"} or "/" in weights:
        looked = " and ".join(str(c.absolute()) for c in candidates)
        raise ValueError(f"model.weights={weights} reads as a file, but there is none: looked at {looked}")
    return None


def fingerprint(tower: nn.Module) -> str:
    """SHA-256 over the names, types, shapes and values of an image tower, CLIP's unused projection left out."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tower.state_dict().items()):
        if name == "proj" or tensor.is_meta:
            continue
        value = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.flatten().view(torch.uint8).numpy().data if value.numel() else b"")
    return digest.hexdigest()


def _random(encoder: "partial[nn.Module]", allow_random: bool) -> nn.Module:
    if not allow_random:
        raise ValueError(
            f"{_title(encoder)} has no pretrained weights (model.weights is null), and a frozen encoder that has learned "
            "nothing cannot be adapted: give model.weights=PATH or a tag, or model.allow_random=true if you mean it"
        )
    return encoder(pretrained=None if _is_open_clip(encoder) else False)


def _from_hub(encoder: "partial[nn.Module]", tag: str) -> nn.Module:
    if _is_open_clip(encoder):
        return encoder(pretrained=tag)
    name = encoder.keywords["model_name"].split(".")[0]
    return encoder(model_name=f"{name}.{tag}", pretrained=True)


def _from_file(encoder: "partial[nn.Module]", file: str) -> nn.Module:
    if not _is_open_clip(encoder):
        known = encoder.keywords.get("pretrained_cfg_overlay") or {}
        return encoder(pretrained=True, pretrained_cfg_overlay={**known, "file": file})
    model: Any = encoder(pretrained=None)
    if _is_torchscript(file):  # OpenAI's own archives
        archive = open_clip.load_openai_model(file, precision="fp32", device="cpu")
        state = archive.state_dict()
        open_clip.model.resize_pos_embed(state, model)
        model.load_state_dict(state)
    else:
        open_clip.load_checkpoint(model, file)
    return model


def _is_torchscript(file: str) -> bool:
    """Whether a file is a TorchScript archive: those hold a `constants.pkl`, plain checkpoints a `data.pkl` alone."""
    if not zipfile.is_zipfile(file):
        return False
    with zipfile.ZipFile(file) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _is_open_clip(encoder: Callable[..., nn.Module]) -> bool:
    function = encoder.func if isinstance(encoder, partial) else encoder
    if function is open_clip.create_model:
        return True
    if function is timm.create_model:
        return False
    raise ValueError(f"model.encoder builds by {function}; expected timm.create_model or open_clip.create_model")


def _title(encoder: "partial[nn.Module]") -> str:
    return str(encoder.keywords.get("model_name", "the encoder"))


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300].rstrip(".")
