"""Shared models, a folder or a repository of the Hugging Face hub: safetensors of what was learned, config in JSON."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from video_adapters.model.checkpoint import PREFIX
from video_adapters.trust.config_file import bounded

CONFIG = "config.json"
LEARNED = "model.safetensors"
FROZEN = "encoder.safetensors"  # of the frozen encoder, where it is inside
CARD = "README.md"
SUMS = "sha256"  # in CONFIG: of each file of weights
HUB = "hf:"  # begins the name of a repository, where a file or a folder could be meant
NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)  # of a repository: user/name
MOST_WEIGHTS = 2**34  # bytes of a file: 16 GiB, three times the largest encoder (ViT-g, 1.1 billion numbers in float32)


def is_shared(path: Path) -> bool:
    """Whether a path is the folder of a shared model."""
    return path.is_dir() and (path / CONFIG).exists()


def local(path: str | Path) -> Path:
    """Where a checkpoint lies on this machine: of `hf:user/name`, the folder that the hub's client keeps of it.

    Raises:
        ValueError: the hub has no such model, cannot be reached and has not been before, or its files are too large.
    """
    name = str(path)
    return _fetched(name.removeprefix(HUB)) if name.startswith(HUB) else Path(path).expanduser()


def shared(source: str | Path) -> Path:
    """A shared model as `local` has it: a folder or, where there is none of that name, the hub's user/name.

    Raises:
        ValueError: it is neither.
    """
    name, path = str(source), Path(source).expanduser()
    if path.exists() or name.startswith(HUB):
        return path
    if not NAME.fullmatch(name):
        raise ValueError(f"{name} is no folder here, and no name of a model on the hub either: expected user/name")
    return Path(HUB + name)


def read_folder(folder: Path) -> dict[str, Any]:
    """What a checkpoint has, of a shared model: its origin, its state_dict and, where the encoder is inside, `frozen`.

    It is read as data, and has yet to be checked as that of a checkpoint is.

    Raises:
        ValueError: something is missing, damaged, too large, or a link that leads out.
    """
    about = _described(folder)
    sums = about.pop(SUMS, None)
    if not isinstance(sums, dict) or not {LEARNED} <= sums.keys() <= {LEARNED, FROZEN}:
        raise ValueError(f"{folder / CONFIG} is no shared model's: it does not say what its files of weights are")
    weights = {name: _weights(folder, name, str(expected)) for name, expected in sums.items()}
    content = {"origin": about, "state_dict": weights[LEARNED]}
    return content | ({"frozen": weights[FROZEN]} if FROZEN in weights else {})


def checksum(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while part := opened.read(2**20):
            digest.update(part)
    return digest.hexdigest()


def _described(folder: Path) -> dict[str, Any]:
    file = _inside(folder, CONFIG)
    try:
        about = json.loads(bounded(file))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{file} cannot be read as a shared model's config: {' '.join(str(error).split())}") from error
    if not isinstance(about, dict):
        raise ValueError(f"{file} is no shared model's config: it is no table")
    return about


def _weights(folder: Path, name: str, expected: str) -> dict[str, Tensor]:
    """Weights of one of the files, by the names that a checkpoint has for them."""
    file = _inside(folder, name)
    if not file.is_file():
        raise ValueError(f"there is no file {file}, which {CONFIG} names")
    if file.stat().st_size > MOST_WEIGHTS:
        raise ValueError(f"{file} has {file.stat().st_size} bytes, more than {MOST_WEIGHTS}")
    if checksum(file) != expected:
        raise ValueError(
            f"{file} is damaged, or another model's: its checksum is not the one in {CONFIG}; take another copy"
        )
    try:
        return {PREFIX + key: value for key, value in load_file(file).items()}
    except (SafetensorError, KeyError, ValueError) as error:  # KeyError: a type that torch has not
        raise ValueError(f"{file} cannot be read as weights: {type(error).__name__}: {error}") from error


def _inside(folder: Path, name: str) -> Path:
    """A file of a folder that links lead nowhere else, but to where the hub's cache keeps a repository's files."""
    file = folder / name
    real, home = file.resolve(), folder.resolve()
    cached = home.parent.name == "snapshots" and home.parents[1].name.startswith("models--")
    if home not in real.parents and not (cached and home.parents[1] / "blobs" in real.parents):
        raise ValueError(f"{file} is a link that leads out of its folder")
    return file


def _fetched(name: str) -> Path:
    if not NAME.fullmatch(name):
        raise ValueError(f"{HUB}{name} is no name of a model on the hub, expected {HUB}user/name")
    from huggingface_hub import HfApi, snapshot_download  # here: who has a file does not wait for it
    from huggingface_hub.errors import RepositoryNotFoundError

    files, api = [CONFIG, LEARNED, FROZEN], HfApi()
    try:
        about = api.model_info(name, files_metadata=True, timeout=10)
    except RepositoryNotFoundError as error:
        raise ValueError(
            f"{HUB}{name}: {api.endpoint} has no such model, or only for those who may read it (hf auth login)"
        ) from error
    except Exception as error:  # which classes depends on the client's version; all mean that no answer came
        try:
            return Path(snapshot_download(name, allow_patterns=files, local_files_only=True))
        except Exception:
            why = "cannot be reached, and its cache on this machine does not hold the model"
            raise ValueError(f"{HUB}{name}: {api.endpoint} {why}") from error
    sizes = {one.rfilename: one.size or 0 for one in about.siblings or () if one.rfilename in files}
    if missing := {CONFIG, LEARNED} - sizes.keys():
        raise ValueError(f"{HUB}{name} is no model of this project: there is no {min(missing)}")
    if large := [file for file, size in sizes.items() if size > MOST_WEIGHTS]:
        raise ValueError(f"{HUB}{name}: {large[0]} has more than {MOST_WEIGHTS} bytes, and is not fetched")
    return Path(snapshot_download(name, revision=about.sha, allow_patterns=files))
