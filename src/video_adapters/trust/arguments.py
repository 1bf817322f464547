"""Arguments in a config from a file: those that its targets take, and no place to download from or to write to."""

import inspect
import os
import re
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any

from hydra.utils import get_object

from video_adapters.trust.config_file import as_data, walk
from video_adapters.trust.targets import Key, published

NAME = re.compile(r"\w[\w.-]*")  # of a network: no scheme (hf-hub:, local-dir:), no path
WORD = re.compile(r"[A-Za-z]\w*")
STATISTICS = {"mean", "std", "crop_pct", "crop_mode", "interpolation"}  # of pretrained_cfg_overlay; not `file`, `url`
PLACES = {"dirpath", "path", "folder", "save_dir", "default_root_dir"}  # where something is written
TEXTS = {"delimiter", "encoding", "columns", "group"}  # of annotations; other text there names files below data.root
MOST = {
    "seed": 2**32 - 1, "data.num_frames": 4096, "data.image_size": 4096, "data.tubelet": 64, "data.num_classes": 10**6,
    "batch.per_device": 10**6,
}  # fmt: skip
MOST_PIXELS = 2**30  # of a video's views, which are in memory together
MOST_SIZE = 10**6  # of an encoder: the widest vocabulary here is 49 408
SIZES = {
    "depth": 100, "depths": 100, "layers": 100, "ratio": 100, "clips": 1000, "views": 1000, "resize": 4096,
    "num_workers": 1000,
    "num_train": 10**6, "num_val": 10**6, "num_test": 10**6,
}  # fmt: skip
"""Other bounds than MOST_SIZE, of arguments by their names: they multiply blocks, views, processes and videos."""

BUILT = (
    "adapter", "data", "data.annotations", "data.sampling", "data.test_views", "data.train_transform", "data.val_views",
    "head", "model", "model.encoder", "optim", "schedule", "trainer",
)  # fmt: skip
"""What a config is built into; each has a target."""

PARTIAL = {"data.annotations", "data.sampling", "data.train_transform", "model.encoder"}
"""Of these, what is called with more arguments than a config has."""

NEEDED = (
    "batch.per_step", "data.max_videos", "data.num_classes", "data.root", "loss.label_smoothing", "name", "run_dir",
    "memory.skip_dead_work", "trainer.accelerator", "trainer.precision",
)  # fmt: skip
"""What is read beside it."""

OPEN: dict[str, set[str]] = {
    "open_clip.create_model": {
        "model_name", "embed_dim", "vision_cfg", "text_cfg", "quick_gelu", "force_image_size", "force_quick_gelu",
        "force_patch_dropout", "force_context_length",
    },
    "video_adapters.training.loggers.wandb_logger": {
        "project", "name", "save_dir", "log_model", "group", "tags", "notes", "job_type", "offline", "prefix",
    },
}  # fmt: skip
"""Arguments of targets whose signatures are open to any; timm's are those of the networks that have a family here."""

WITHHELD = {"lightning.Trainer": {"callbacks", "logger", "plugins", "model_registry"}}


def buildable(config: Any, source: str | Path, replaced: Collection[str] = ()) -> dict[str, Any]:
    """What `as_data` returns, when objects may be built of it: arguments are those that the targets take, and name no
    place to download from or to write to but the run's folder. Keys that the command line replaces may have any value.

    Raises:
        ValueError: naming the key and what is wrong with it.
    """
    tree = as_data(config, source)
    try:
        for name in BUILT:
            if not isinstance(node := _select(tree, name), dict) or "_target_" not in node:
                raise ValueError(f"there is no {name} in its config")
            if (partial := node.get("_partial_", False)) != (name in PARTIAL):
                raise ValueError(f"{name}._partial_ is {partial}, expected {name in PARTIAL}")
        if missing := [name for name in NEEDED if _select(tree, name, default=...) is ...]:
            raise ValueError(f"there is no {missing[0]} in its config")
        _check_numbers(tree, replaced)
        for key, node in walk(tree):
            if isinstance(node, dict) and "_target_" in node:
                _check_arguments(key, node, tree, replaced)
        model = tree["model"]
        own = (model["encoder"].get("model_name"), model.get("weights")) in published()
        if model.get("weights") and not own and not _is_replaced("model.weights", replaced):
            model["cached_only"] = True
    except ValueError as error:
        raise ValueError(f"{source} is refused, and nothing of it was run: {error}") from error
    return tree


def _check_numbers(tree: dict[str, Any], replaced: Collection[str]) -> None:
    """Refuses sizes that are no numbers, or such as no machine can hold."""
    for key, most in MOST.items():
        value = _select(tree, key)
        unknown = key == "data.num_classes" and value in (None, "???")  # of an imported checkpoint without a head
        if not _is_replaced(key, replaced) and not unknown and not (type(value) is int and 0 <= value <= most):
            raise ValueError(f"{key} is {value!r}, expected a whole number from 0 to {most}")
    for parts, value in walk(tree):
        if parts and parts[-1] in SIZES and not _is_replaced(full := ".".join(parts), replaced):
            _check_size(full, parts[-1], value)
    for views in ("data.test_views", "data.val_views"):
        _check_pixels(views, tree, replaced)


def _check_pixels(views: str, tree: dict[str, Any], replaced: Collection[str]) -> None:
    """Refuses more views of a video than a machine can hold, whichever of their numbers makes them many."""

    def number(key: str) -> float:
        value = _select(tree, key)
        return value if isinstance(value, int | float) and not _is_replaced(key, replaced) else 1

    side = max(number("data.image_size"), number(f"{views}.resize"))
    pixels = number("data.num_frames") * side**2 * number(f"{views}.clips") * number(f"{views}.crops")
    if pixels > MOST_PIXELS:
        raise ValueError(
            f"data.num_frames, data.image_size and {views} make {pixels:.0f} pixels of a video, expected up to "
            f"{MOST_PIXELS}"
        )


def _check_arguments(key: Key, node: dict[str, Any], tree: dict[str, Any], replaced: Collection[str]) -> None:
    """Refuses arguments that a target does not take, or that a file may not decide; `tree` is the whole config."""
    target = node["_target_"]
    for name, value in node.items():
        full = ".".join((*key, name))
        if name in ("_target_", "_partial_") or _is_replaced(full, replaced):
            continue
        if name not in _parameters(target):
            owner = "; whose W&B project it is, the variable WANDB_ENTITY says" if name == "entity" else ""
            raise ValueError(f"{full} is no argument that a file may give {target}{owner}")
        if key[0] in ("callbacks", "logger", "trainer"):
            if name in PLACES:
                _check_inside(full, value, tree.get("run_dir"))
            else:
                _check_relative(full, value, "the run's folder")
        if name == "filename" and value is not None and not NAME.fullmatch(str(value)):
            raise ValueError(f"{full} is {value!r}, expected a plain name")
        if key == ("data", "annotations") and name not in TEXTS:
            _check_relative(full, value, "data.root")
        if full in ("data.root", "model.weights") and not isinstance(value, str | None):
            raise ValueError(f"{full} is {value!r}, expected a path")
        if key == ("model", "encoder"):
            _check_encoder(full, target, name, value)


@cache
def _parameters(target: str) -> frozenset[str]:
    """Names of the arguments that a target takes."""
    if target in OPEN:
        return frozenset(OPEN[target])
    if target == "timm.create_model":
        from video_adapters.model.encoders.pretrained import FAMILIES  # here: timm and open_clip take seconds

        networks = [inspect.signature(family.wraps).parameters for family in FAMILIES]
        return frozenset({"model_name", "pretrained_cfg_overlay"}.union(*networks))
    return frozenset(inspect.signature(get_object(target)).parameters) - WITHHELD.get(target, set())


def _check_inside(full: str, value: Any, run_dir: Any) -> None:
    """A run writes into its own folder, and links do not lead out of it."""
    folder, path = os.path.realpath(str(run_dir)), os.path.realpath(str(value))
    if value is not None and path != folder and not path.startswith(folder.rstrip(os.sep) + os.sep):
        raise ValueError(f"{full} is {value!r}, expected a place in the run's folder, {folder}")


def _check_relative(full: str, value: Any, folder: str) -> None:
    """What may be joined to a folder's path stays in it."""
    for one in value if isinstance(value, list | tuple) else [value]:
        if isinstance(one, str) and (os.path.isabs(one) or one.startswith("~") or os.pardir in one.split("/")):
            raise ValueError(f"{full} is {one!r}, expected a path below {folder} (or give {full}=... yourself)")


def _check_encoder(full: str, target: str, name: str, value: Any) -> None:
    """A network of a library by its plain name, with numbers for its sizes."""
    if name == "model_name":
        _check_network(full, target, value)
    elif name == "pretrained_cfg_overlay":
        if not isinstance(value, dict) or not value.keys() <= STATISTICS:
            raise ValueError(f"{full} is {value!r}, expected {', '.join(sorted(STATISTICS))} alone")
        for inner, one in value.items():
            _check_size(f"{full}.{inner}", inner, one)
    elif isinstance(value, dict):
        for inner, one in value.items():
            if isinstance(one, str):
                raise ValueError(f"{full}.{inner} is {one!r}, expected a number")
            _check_size(f"{full}.{inner}", inner, one)
    else:
        _check_size(full, name, value)


def _check_network(full: str, target: str, name: Any) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(f"{full} is {name!r}, expected the plain name of a network: nothing is fetched for a file")
    if target == "timm.create_model":
        import timm  # here, as above

        exists = timm.is_model(name.split(".")[0])
    else:
        import open_clip

        config = open_clip.get_model_config(name)
        exists = config is not None and "hf_model_name" not in config["text_cfg"]  # whose text tower is fetched
    if not exists:
        raise ValueError(f"{full} is {name!r}, which is no network of {target.split('.')[0]}'s own")


def _check_size(full: str, name: str, value: Any) -> None:
    """A number, a list of them, or a word that a library knows."""
    values = value if isinstance(value, list | tuple) else [value]
    most = SIZES.get(name, MOST_SIZE)
    for one in values:
        if isinstance(one, str) and WORD.fullmatch(one):
            continue
        if not isinstance(one, int | float | None) or not abs(one or 0) <= most:
            raise ValueError(f"{full} is {value!r}, expected numbers up to {most}")


def _is_replaced(full: str, replaced: Collection[str]) -> bool:
    """Whether the command line replaces a key, or a group that it is in."""
    return any(full == key or full.startswith(f"{key}.") for key in replaced)


def _select(tree: Any, name: str, default: Any = None) -> Any:
    """The value of a dotted key, or the default where there is none."""
    for part in name.split("."):
        if not isinstance(tree, dict) or part not in tree:
            return default
        tree = tree[part]
    return tree
