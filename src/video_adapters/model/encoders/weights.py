"""Pretrained weights from a library's hub or from a file, loaded so that nothing is left at random in silence."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import huggingface_hub
import open_clip
import timm
import torch
from huggingface_hub import constants as hub
from torch import Tensor, nn

from video_adapters.commands.archives import refuse_bomb
from video_adapters.model.encoders.conversion import converted
from video_adapters.model.encoders.published import expect_tag, is_open_clip, published, tags_of
from video_adapters.model.encoders.torchscript import is_archive, read_tensors


def build_random(build: "partial[nn.Module]") -> nn.Module:
    """Builds a network as its library starts it."""
    if not is_open_clip(build):
        return build(pretrained=False)
    with open_clip_unheard():
        return build(pretrained=None, pretrained_text=False, device=torch.get_default_device(), **_statistics(build))


def _statistics(build: "partial[nn.Module]") -> dict[str, Any]:
    """What open_clip is to take for mean and std where no tag tells it: those that all tags of the network share."""
    if "force_preprocess_cfg" in build.keywords:
        return {}
    listed = [open_clip.get_pretrained_cfg(str(build.keywords["model_name"]), tag) for tag in tags_of(build)]
    values = {key: {tuple(about[key]) for about in listed} for key in ("mean", "std")}
    return {"force_preprocess_cfg": {key: value.pop() for key, value in values.items() if len(value) == 1}}


def build_from_hub(build: "partial[nn.Module]", tag: str, cached_only: bool = False) -> nn.Module:
    """Builds a network with the weights that the hub, or its cache on this machine, holds under a tag.

    Raises:
        ValueError: for a tag that the library does not know, or where neither hub nor cache has it. With `cached_only`
            the hub is not asked.
    """
    load = _open_clip_from_hub if is_open_clip(build) else _timm_from_hub
    expect_tag(build, tag)
    reachable = not cached_only and hub_answers()
    before = hub.HF_HUB_OFFLINE
    try:  # offline, the hub's client looks into its cache alone, without asking for a minute first
        hub.HF_HUB_OFFLINE = before or not reachable
        return load(build, tag)
    except Exception as error:
        if reachable:
            raise
        raise ValueError(_out_of_reach(cached_only)) from error
    finally:
        hub.HF_HUB_OFFLINE = before


def build_from_file(build: "partial[nn.Module]", file: Path) -> nn.Module:
    """Builds a network with the weights of a file: .safetensors, a torch checkpoint, or OpenAI's own archive.

    Raises:
        ValueError: for a file that holds no weights. What the libraries raise for weights that do not fit passes.
    """
    _check_contents(file)
    net = build_random(build)
    _spoil(net)
    if is_open_clip(build):
        _fill_open_clip(net, file)
    else:
        state = _read_archive(file) if is_archive(file) else timm.models.load_state_dict(str(file))
        net.load_state_dict(converted(state, net))
    return net


def check_filled(tower: nn.Module) -> None:
    """Refuses an image tower with anything that is not a number, which is also what `_spoil` leaves.

    Raises:
        ValueError: naming the first of them.
    """
    for name, tensor in tower.state_dict().items():
        if not tensor.is_meta and not torch.isfinite(tensor).all():
            raise ValueError(f"{name} is missing there, or holds values that are not finite")


def expect_on_hub(build: "partial[nn.Module]", tag: str) -> None:
    """Refuses a tag whose weights are known not to be had, without downloading them.

    Raises:
        ValueError: for a tag that the library does not know, or where neither hub nor cache has it.
    """
    expect_tag(build, tag)
    repository = published(build, tag).repository
    cached = repository and Path(hub.HF_HUB_CACHE, f"models--{repository.replace('/', '--')}").is_dir()
    if not cached and not hub_answers():
        raise ValueError(f"model.weights={tag}: {_out_of_reach()}")


def _out_of_reach(not_asked: bool = False) -> str:
    why = "is not asked on a file's word (say model.weights yourself)" if not_asked else "cannot be reached"
    return f"{hub.ENDPOINT} {why}, and its cache in {hub.HF_HUB_CACHE} does not hold them"


def _open_clip_from_hub(build: "partial[nn.Module]", tag: str) -> nn.Module:
    with open_clip_unheard(), warnings.catch_warnings():
        warnings.filterwarnings("error", "QuickGELU mismatch")  # another activation than the weights were trained with
        return build(pretrained=tag)


def _timm_from_hub(build: "partial[nn.Module]", tag: str) -> nn.Module:
    """timm's own `pretrained=True` lets tensors be missing where the classifier is left out; this does not."""
    name = str(build.keywords["model_name"]).split(".")[0]
    net: Any = build(model_name=f"{name}.{tag}", pretrained=False)
    repository = net.pretrained_cfg.get("hf_hub_id")
    if not repository:
        url = net.pretrained_cfg.get("url") or "its authors"
        raise ValueError(f"timm's hub does not hold it; fetch it from {url}, then give model.weights=PATH")
    _spoil(net)
    file = net.pretrained_cfg.get("hf_hub_filename")
    state = timm.models.load_state_dict_from_hf(repository, **({"filename": file} if file else {}))
    net.load_state_dict(converted(state, net))
    return net


def _fill_open_clip(model: Any, file: Path) -> None:
    if not is_archive(file):
        with open_clip_unheard(), _at_own_size(model.visual):
            if not _fill_image_tower(model, file):
                open_clip.load_checkpoint(model, str(file))
        return
    if not any(isinstance(module, open_clip.transformer.QuickGELU) for module in model.visual.modules()):
        raise ValueError("it is an archive of OpenAI, trained with QuickGELU; take the encoder's -quickgelu variant")
    state = _read_archive(file)
    open_clip.model.resize_pos_embed(state, model)
    model.load_state_dict(state)


@contextmanager
def _at_own_size(visual: Any) -> Iterator[None]:
    """A timm tower inside open_clip meanwhile at the image size of its weights: open_clip resamples none of a file."""
    trunk, size = getattr(visual, "trunk", None), visual.image_size
    if trunk is None or not hasattr(trunk, "set_input_size"):
        yield
        return
    visual.set_input_size(trunk.pretrained_cfg["input_size"][1:])
    yield
    visual.set_input_size(size)


def _fill_image_tower(model: Any, file: Path) -> bool:
    """Fills the image tower from a file that holds it alone, names without `visual.`; says whether it is one.

    The projection into the space shared with text, which `OpenClipVit` does not use, may be missing there.
    """
    if file.suffix in (".npz", ".npy"):
        return False  # of a kind that `load_checkpoint` knows by itself
    state = open_clip.factory.load_state_dict(str(file))
    if "class_embedding" not in state:
        return False
    whole = {f"visual.{name}": value for name, value in state.items()}
    open_clip.model.resize_pos_embed(whole, model)
    if "proj" not in state:
        model.visual.proj = None
    model.visual.load_state_dict({name.removeprefix("visual."): value for name, value in whole.items()})
    return True


def _read_archive(file: Path) -> dict[str, Tensor]:
    """The weights in one of OpenAI's TorchScript archives, fp16 there, in fp32."""
    about = {"input_resolution", "context_length", "vocab_size"}  # numbers that the archives keep among the weights
    return {name: value.float() for name, value in read_tensors(file).items() if name not in about}


def _check_contents(file: Path) -> None:
    """Refuses what is often found under the name of a weights file, and archives that unpack to too much."""
    with file.open("rb") as opened:
        start = opened.read(64).lstrip()
    if not start:
        raise ValueError("it is empty")
    if start.startswith(b"<"):
        raise ValueError("it is a web page, not weights; the download went wrong")
    if start.startswith(b"version https://git-lfs"):
        raise ValueError("it is a pointer of Git LFS, not the file itself; `git lfs pull` fetches that")
    refuse_bomb(file)


@torch.no_grad()
def _spoil(net: nn.Module) -> None:
    """Makes every weight NaN, so that what loading leaves out shows."""
    for tensor in net.state_dict().values():
        if tensor.is_floating_point():
            tensor.fill_(torch.nan)


def hub_answers() -> bool:
    """Asks the hub once. Any answer will do; the client's own way is to try six times for each file."""
    try:
        huggingface_hub.utils.get_session().head(hub.ENDPOINT, timeout=10)
    except Exception:  # which classes depends on the client's version; all mean that no answer came
        return False
    return True


@contextmanager
def open_clip_unheard() -> Iterator[None]:
    """Keeps open_clip from setting up the root logger and from warning there of random weights: we check them."""

    def keep(record: logging.LogRecord) -> bool:
        return "open_clip" not in record.pathname

    root, silent = logging.getLogger(), logging.NullHandler()
    root.addHandler(silent)
    root.addFilter(keep)
    try:
        yield
    finally:
        root.removeFilter(keep)
        root.removeHandler(silent)
