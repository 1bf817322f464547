"""Building an encoder by timm or open_clip and filling it with its published weights."""

import hashlib
import logging
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from video_adapters.commands.config import PROJECT
from video_adapters.commands.wording import did_you_mean
from video_adapters.model.encoders.encoder import Encoder, SharedSpace, as_rgb
from video_adapters.model.encoders.open_clip_vit import OpenClipVit
from video_adapters.model.encoders.pooling import check_pool
from video_adapters.model.encoders.published import addresses, check_name, licence_of, tags_of
from video_adapters.model.encoders.timm_eva import TimmEva
from video_adapters.model.encoders.timm_swin import TimmSwin
from video_adapters.model.encoders.timm_vit import TimmVit
from video_adapters.model.encoders.weights import (
    build_from_file,
    build_from_hub,
    build_random,
    check_filled,
    expect_on_hub,
)

log = logging.getLogger(__name__)

FAMILIES: tuple[type[Encoder], ...] = (
    TimmVit,
    OpenClipVit,
    TimmSwin,
    TimmEva,
)

RESAMPLED = ("pos_embed", "positional_embedding", "relative_position_bias_table")

FILE_SUFFIXES = {".pt", ".pth", ".bin", ".ckpt", ".safetensors", ".npz"}


def load_encoder(
    encoder: "partial[nn.Module]",
    weights: str | None = None,
    allow_random: bool = False,
    download: str = "",
    cached_only: bool = False,
    depth: int | None = None,
    pool: str | None = None,
    name: str | None = None,
) -> Encoder:
    """Builds an image network, loads its weights strictly and opens it at its blocks.

    The fingerprint is that of the whole network, whatever `depth` leaves of it, and of the projection where one pools.

    Args:
        encoder: `timm.create_model` or `open_clip.create_model` with everything but the weights filled in.
        weights: a file (relative to the current folder, else to the project's), or the tag under which the library's
            hub holds them (`openai`, `augreg_in21k`); None for random weights, which needs `allow_random`.
        allow_random: takes random weights where `weights` is None or a tag, and no file: a frozen encoder that has
            learned nothing is of use in tests and cost counts alone.
        download: where weights that no library lists can be had by hand, for the error message.
        cached_only: takes a hub's weights from its cache on this machine alone (for tags that merely a file asks for).
        depth: blocks kept, from the first; None: all. The final norm follows the last one kept.
        pool: how a frame's tokens make its feature, by a name of `pooling.POOLS`; None: as the library does it.
        name: the key that `encoder` has its name from, in the configs that take any (`model=timm`, `model=open_clip`).

    Raises:
        ValueError: without weights, for a missing or unfit file, when the hub is out of reach, for a network that its
            library does not know or that belongs to no family, and for a depth or pooling that it has not.
    """
    check_name(encoder, _key(name))
    check_pool(pool)
    opened = open_up(built(encoder, weights, allow_random, download, cached_only))
    if weights is not None and not (allow_random and not _names_file(weights)):
        opened.licence = licence_of(encoder, str(weights))
    opened.cut(depth)
    opened.set_pool(pool)
    if pool == "projected":
        both = opened.fingerprint + fingerprint(opened.projection)
        opened.fingerprint = hashlib.sha256(both.encode()).hexdigest()
    return opened


def built(
    encoder: "partial[nn.Module]", weights: str | None, allow_random: bool, download: str, cached_only: bool
) -> nn.Module:
    """The network with its weights; the arguments are `load_encoder`'s."""
    if allow_random and not _names_file(weights):
        if weights is not None:
            log.warning("model.allow_random=true: the encoder starts at random, without model.weights=%s", weights)
        return _random(encoder)
    if weights is not None:
        outline(encoder)  # refuses it before anything is fetched
        return _pretrained(encoder, str(weights), download, cached_only)
    raise ValueError(_no_weights(encoder))


def expect_weights(
    encoder: "partial[nn.Module]",
    weights: str | None = None,
    allow_random: bool = False,
    download: str = "",
    pool: str | None = None,
    name: str | None = None,
    **_: Any,
) -> None:
    """Refuses what `load_encoder` is known to refuse before it loads anything; the arguments are its own.

    Raises:
        ValueError: for a network that no library knows or no family opens, without weights, for a file that is not
            there, for a tag that is no tag, or that the hub cannot be asked for, and for a pooling that no encoder has.
    """
    check_name(encoder, _key(name))
    check_pool(pool)
    outline(encoder)
    if allow_random and not _names_file(weights):
        return
    if weights is None:
        raise ValueError(_no_weights(encoder))
    try:
        if find_file(str(weights)) is None:
            expect_on_hub(encoder, str(weights))
    except ValueError as error:
        raise ValueError(f"{error}.{_by_hand(encoder, str(weights), download)}") from error


def outline(encoder: "partial[nn.Module]") -> Encoder:
    """The opened network on the meta device: nothing is fetched or computed.

    Raises:
        ValueError: no family opens it, naming what does not fit.
    """
    with torch.device("meta"):
        return open_up(_random(encoder))


def open_up(net: nn.Module) -> Encoder:
    """Opens an image network, or the image tower of an open_clip model, by the family that knows its class.

    Raises:
        ValueError: when none does.
    """
    visual: Any = getattr(net, "visual", net)
    tower = _tower(net)
    family = _family_of(tower)
    last = _without_classifier(tower) if tower is not visual else None
    weights = fingerprint(tower)
    encoder = family(tower)
    encoder.fingerprint = weights
    if last is not None:  # a timm network inside open_clip, which knows what it was trained on
        encoder.mean, encoder.std = (as_rgb(visual.preprocess_cfg[key]) for key in ("mean", "std"))
        encoder.shared = _shared(nn.Sequential(last, visual.head), encoder)
    return encoder


def _family_of(tower: nn.Module) -> type[Encoder]:
    """The family that wraps an image network's class; a ValueError where none does."""
    for family in FAMILIES:
        if type(tower) is family.wraps:
            return family
    supported = ", ".join(f"{f.wraps.__module__}.{f.wraps.__name__}" for f in FAMILIES)
    raise ValueError(
        f"the encoder is a {type(tower).__module__}.{type(tower).__name__}; supported are: {supported} "
        "(`python src/models.py --encoders` lists their networks)"
    )


def _random(encoder: "partial[nn.Module]") -> nn.Module:
    """The network as its library starts it.

    Raises:
        ValueError: it cannot be built as configured: another kind of network may not even take these settings.
    """
    try:
        return build_random(encoder)
    except Exception as error:  # networks fail at settings in too many ways to list; the cause is kept and shown
        plain = None
        with torch.device("meta"), suppress(Exception):
            plain = build_random(partial(encoder.func, model_name=_title(encoder)))
        if plain is not None:
            _family_of(_tower(plain))
        settings = ", ".join(f"{key}={value}" for key, value in encoder.keywords.items() if key != "model_name")
        raise ValueError(f"{_title(encoder)} cannot be built with {settings}: {_short(error)}") from error


def _without_classifier(tower: Any) -> nn.Module:
    """Takes the last layer out of a timm network: inside open_clip it projects, or does nothing."""
    last: nn.Module = tower.get_classifier()
    tower.reset_classifier(0)
    return last


def _shared(projection: nn.Module, encoder: Encoder) -> SharedSpace:
    feature = encoder.patches.weight.new_zeros(1, encoder.width)
    return SharedSpace(projection, projection.eval()(feature).shape[-1])


def _names_file(weights: str | None) -> bool:
    """Whether weights are those of a file, which may be missing."""
    try:
        return weights is not None and find_file(str(weights)) is not None
    except ValueError:
        return True


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
    if path.suffix in FILE_SUFFIXES or "/" in weights:
        looked = " and ".join(str(c.absolute()) for c in candidates)
        near = did_you_mean(path.name, [one.name for one in candidates[0].absolute().parent.glob("*")])
        raise ValueError(f"model.weights={weights} reads as a file, but there is none: looked at {looked}{near}")
    return None


def fingerprint(tower: nn.Module) -> str:
    """SHA-256 over the names, types, shapes and values of an image tower.

    CLIP's unused projection is left out, and so are the values of position embeddings and position biases: where they
    were resampled to another image size, their last digits depend on the machine.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(tower.state_dict().items()):
        if name == "proj" or tensor.is_meta:
            continue
        value = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        if value.numel() and not name.endswith(RESAMPLED):
            digest.update(value.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _pretrained(encoder: "partial[nn.Module]", weights: str, download: str, cached_only: bool) -> nn.Module:
    by_hand = _by_hand(encoder, weights, download)
    try:
        file = find_file(weights)
    except ValueError as error:
        raise ValueError(f"{error}.{by_hand}") from error
    source = f"the file {file}" if file else f"the hub, under the name '{weights}'"
    try:
        net = build_from_file(encoder, file) if file else build_from_hub(encoder, weights, cached_only)
        check_filled(getattr(net, "visual", net))
    except Exception as error:  # hubs and readers fail in too many ways to list; the cause is kept and shown
        raise ValueError(
            f"model.weights: {_title(encoder)} could not be loaded from {source}: {_short(error)}.{by_hand}"
        ) from error
    return net


def _by_hand(encoder: "partial[nn.Module]", weights: str, download: str) -> str:
    places = " or ".join(addresses(encoder, weights)) or download
    return f" They can be fetched by hand from {places}, then model.weights=PATH." if places else ""


def _no_weights(encoder: "partial[nn.Module]") -> str:
    tags = ", ".join(tags_of(encoder))
    return (
        f"{_title(encoder)} has no pretrained weights (model.weights is null), and a frozen encoder that has learned "
        f"nothing cannot be adapted: give model.weights=PATH{f' or one of the tags {tags}' if tags else ''} or, if "
        "that is meant, model.allow_random=true"
    )


def _key(name: str | None) -> str:
    return "model.encoder.model_name" if name is None else "model.name"


def _tower(net: nn.Module) -> nn.Module:
    """The image tower of an open_clip model, timm's network where there is one inside, or the network itself."""
    visual = getattr(net, "visual", net)
    return getattr(visual, "trunk", visual)


def _title(encoder: "partial[nn.Module]") -> str:
    return str(encoder.keywords.get("model_name", "the encoder"))


def _short(error: Exception) -> str:
    """An error on one line: of torch's list of unfit tensors the first few."""
    text = " ".join(str(error).split()) or type(error).__name__
    return (text if len(text) <= 400 else f"{text[:400]} ...").rstrip(".")
