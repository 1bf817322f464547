"""Networks by their libraries' names, and the weights published of them: tags, addresses, licences."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import open_clip
import timm
from huggingface_hub import constants as hub
from torch import nn

from video_adapters.commands.wording import did_you_mean
from video_adapters.model.licences import FREE

Build = Callable[..., nn.Module]  # a library's create_model with everything but the weights filled in

OF_OPEN_CLIP = {"apple/DFN": "apple-ascl", "apple/MobileCLIP": "apple-amlr", "timm/MobileCLIP2": "apple-amlr"}
"""By the beginning of a repository: open_clip states no licences, and timm has these weights in others, with these."""


class Published(NamedTuple):
    """Weights that a library knows of."""

    repository: str | None  # on the hub
    url: str | None
    licence: str  # "" where nobody says


def is_open_clip(build: Build) -> bool:
    """Whether open_clip builds the network, not timm.

    Raises:
        ValueError: when neither does.
    """
    function = build.func if isinstance(build, partial) else build
    if function in (open_clip.create_model, timm.create_model):
        return function is open_clip.create_model
    raise ValueError(f"model.encoder builds by {function}; expected timm.create_model or open_clip.create_model")


def check_name(build: "partial[nn.Module]", key: str = "model.encoder.model_name") -> None:
    """Refuses a network that its library does not know; names of hubs (`hf-hub:...`) are theirs to know.

    Raises:
        ValueError: with the key that names it, and the nearest that the library knows.
    """
    clip, name = is_open_clip(build), str(build.keywords.get("model_name", ""))
    names = open_clip.list_models() if clip else timm.list_models()
    if ":" not in name and (name.replace("/", "-") if clip else name.split(".")[0]) not in names:
        library = "open_clip" if clip else "timm"
        raise ValueError(f"{key}={name} is no network of {library}{did_you_mean(name.split('.')[0], names)}")


def tags_of(build: "partial[nn.Module]") -> list[str]:
    """The tags under which weights of a network are published."""
    name = str(build.keywords["model_name"])
    if is_open_clip(build):
        return open_clip.list_pretrained_tags_by_model(name)
    return [listed.split(".", 1)[1] for listed in timm.list_pretrained(f"{name.split('.')[0]}.*")]


def expect_tag(build: "partial[nn.Module]", tag: str) -> None:
    """Refuses a tag under which there are no weights of a network, or such as were trained with another activation.

    Raises:
        ValueError: with the tags that there are, or with what the activation needs.
    """
    name = str(build.keywords["model_name"])
    if tag not in (tags := tags_of(build)):
        near = did_you_mean(tag, tags)
        raise ValueError(
            f"{tag} is neither a file nor a tag of {name}{near}; its tags are: {', '.join(tags) or 'none'}"
        )
    if is_open_clip(build) and open_clip.get_pretrained_cfg(name, tag).get("quick_gelu") and not _quick_gelu(build):
        raise ValueError(f"{name} has GELU, but {tag} was trained with QuickGELU: take {name}-quickgelu")


def _quick_gelu(build: "partial[nn.Module]") -> bool:
    config = open_clip.get_model_config(str(build.keywords["model_name"])) or {}
    return bool(build.keywords.get("force_quick_gelu") or build.keywords.get("quick_gelu", config.get("quick_gelu")))


def published(build: "partial[nn.Module]", tag: str) -> Published:
    """What a network's library says of the weights under one of its tags.

    Of licences open_clip says nothing: what timm says of the same repository of the hub holds.
    """
    name = str(build.keywords["model_name"])
    if is_open_clip(build):
        listed: dict[str, Any] = open_clip.get_pretrained_cfg(name, tag)
        repository = (listed.get("hf_hub") or "").strip("/")
        licence = next((one for start, one in OF_OPEN_CLIP.items() if repository.startswith(start)), "")
        return Published(repository or None, listed.get("url") or None, licence or _licences().get(repository, ""))
    about = timm.models.get_pretrained_cfg(f"{name.split('.')[0]}.{tag}")
    return Published(about.hf_hub_id, about.url, _stated(about.license))


def addresses(build: "partial[nn.Module]", tag: str) -> list[str]:
    """Where the weights under a tag can be fetched by hand, as the network's library says; [] where it does not."""
    if tag not in tags_of(build):
        return []
    about = published(build, tag)
    return [*([f"{hub.ENDPOINT}/{about.repository}"] if about.repository else []), *([about.url] if about.url else [])]


def licence_of(build: "partial[nn.Module]", weights: str) -> str:
    """The licence of a network's weights, those of a tag or of a file; "" where nobody says.

    A file mostly holds published weights: of the tag in timm's NAME.TAG or, without one, of any, it is their licence
    where all have the same and it is not free.
    """
    tags, named = tags_of(build), str(build.keywords["model_name"]).partition(".")[2]
    if tag := next((one for one in (weights, named) if one in tags), None):
        return published(build, tag).licence
    stated = {published(build, one).licence for one in tags}
    return stated.pop() if len(stated) == 1 and not stated & FREE else ""


@cache
def _licences() -> dict[str, str]:
    """Licences by repository of the hub, as timm states them."""
    listed = (timm.models.get_pretrained_cfg(name) for name in timm.list_pretrained())
    return {about.hf_hub_id: _stated(about.license) for about in listed if about.hf_hub_id}


def _stated(licence: str | None) -> str:
    return "" if licence in (None, "unknown", "other") else str(licence)
