"""Checkpoint files, read as data and checked whole."""

import logging
import os
import zipfile
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from video_adapters.commands.archives import Bomb, refuse_bomb
from video_adapters.commands.atomic import replacing
from video_adapters.commands.wording import did_you_mean
from video_adapters.model.checkpoint import VERSION
from video_adapters.model.finite_weights import refuse_not_finite
from video_adapters.trust.config_file import as_data
from video_adapters.trust.shared_folder import is_shared, local, read_folder

log = logging.getLogger(__name__)
LAST = "last.ckpt"  # the state that a run goes on from
PREVIOUS = "last.previous.ckpt"  # the one saved before it
# of weights; int64 for the steps that a head's statistics count
KINDS = {torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64}


def read(path: str | Path) -> dict[str, Any]:
    """Reads one of our checkpoints onto the CPU, without running code from it.

    Args:
        path: a file, the folder of a shared model, or `hf:user/name`, which is one on the hub.

    Raises:
        ValueError: for a missing file, and for one that is none of ours.
    """
    path = local(path)
    if shared := is_shared(path):
        content: Any = read_folder(path)
    elif not path.is_file():
        near = sorted(str(p) for p in path.glob("**/*.ckpt")) if path.is_dir() else []
        hint = f"; it is a folder, with {', '.join(near[:4])}" if near else _near(path)
        raise ValueError(f"there is no checkpoint file at {path.absolute()}{hint}")
    else:
        content = _unpickled(path)
    if not isinstance(content, dict) or "origin" not in content:
        raise ValueError(f"{path} is no checkpoint of this project: it does not say which model it belongs to")
    content = content | {"origin": _checked(content["origin"], path)}
    _check_weights(content.get("state_dict"), path)
    if "frozen" in content:  # which no file of a run has
        _check_weights(content["frozen"] if shared else None, path)
    return content


def _unpickled(path: Path) -> Any:
    """The content of a file, refused where it is not whole, small enough unpacked, and nothing but data."""
    try:
        refuse_bomb(path)
        damaged = _damaged_part(path)
        content = None if damaged else torch.load(path, map_location="cpu", weights_only=True)
    except Bomb as error:
        raise ValueError(f"{path} cannot be read as a checkpoint: {error}") from error
    except Exception as error:  # unpicklers fail in too many ways to list; the cause is kept
        raise ValueError(
            f"{path} cannot be read as a checkpoint: it is another kind of file, or only the beginning of one; "
            "expected a run's checkpoints/best.ckpt or last.ckpt"
        ) from error
    if damaged:
        raise ValueError(
            f"{path} is damaged: the checksum of its part {damaged} is not that of what was written; take another copy"
        )
    return content


def _check_weights(state: Any, path: Path) -> None:
    """Refuses what is no table of plain, finite tensors by name."""
    if not isinstance(state, dict) or not all(type(k) is str and isinstance(v, Tensor) for k, v in state.items()):
        raise ValueError(
            f"{path} is no checkpoint of this project: it holds no weights, or more than weights among them"
        )
    if odd := [name for name, value in state.items() if not _is_written_out(value)]:
        raise ValueError(
            f"{path} is no checkpoint of this project: {odd[0]} is no plain tensor, with a number in the file for "
            "each of its values"
        )
    refuse_not_finite(state, str(path))


def _is_written_out(value: Tensor) -> bool:
    """Whether a tensor is as large as its numbers in the file, which a repeated, sparse or empty one is not."""
    plain = value.layout is torch.strided and not (value.is_meta or value.is_nested)
    return plain and value.dtype in KINDS and value.numel() * value.itemsize <= value.untyped_storage().nbytes()


def write(content: dict[str, Any], path: Path) -> None:
    """Puts a checkpoint in its place whole; of a run's state, the one saved before is kept too.

    A kill leaves the old one or the new one, and a state that is found damaged has one before it to go on from.
    """
    with replacing(path) as part:
        with part.open("wb") as file:
            _save(content, file)
        if path.name == LAST and path.exists():
            os.replace(path, path.with_name(PREVIOUS))


def _save(content: dict[str, Any], file: IO[bytes]) -> None:
    """Raises: OSError, of a full disk: torch raises another about the archive that it could not close then."""
    try:
        torch.save(content, file)
        return
    except RuntimeError as error:
        if not isinstance(error.__context__, OSError):
            raise
        full = error.__context__
    raise full


def _damaged_part(path: Path) -> str | None:
    """The first part of a checkpoint whose checksum is another than was written with it: torch does not look at them.

    None too of what torch would not write, of which it says more itself: no archive, or a compressed one.
    """
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        stored = all(part.compress_type == zipfile.ZIP_STORED for part in archive.infolist())
        return archive.testzip() if stored else None


def has_state(folder: Path) -> bool:
    """Whether a run has saved a state in its folder that it could go on from."""
    return any((folder / "checkpoints" / name).is_file() for name in (LAST, PREVIOUS))


def state_of(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The state that a run goes on from: the last that it saved or, where that is damaged, the one before, and says so.

    Returns: its file, and what is in it.

    Raises:
        ValueError: neither can be read.
    """
    last, previous = (folder / "checkpoints" / name for name in (LAST, PREVIOUS))
    try:
        return last, _read_state(last)
    except ValueError as error:
        try:
            state = _read_state(previous)
        except ValueError:
            raise error from None
        log.warning("%s; going on from the state saved before, of step %d: %s", error, state["global_step"], previous)
        return previous, state


def _read_state(path: Path) -> dict[str, Any]:
    state = read(path)
    if missing := {"optimizer_states", "lr_schedulers", "loops", "callbacks", "global_step"} - state.keys():
        raise ValueError(f"{path} is no state to go on from: it lacks {', '.join(sorted(missing))}")
    return state


def _near(path: Path) -> str:
    """A hint at the file or folder that the first missing part of a path may have been meant for."""
    while not path.parent.is_dir():
        path = path.parent
    return did_you_mean(path.name, [one.name for one in path.parent.iterdir()])


def _checked(content: Any, path: Path) -> dict[str, Any]:
    """What a file says of its origin, refused where that is more than data, or where something is missing."""
    kinds = {
        "config": dict, "class_names": list, "encoder": str, "licence": str, "thresholds": list, "version": int,
    }  # fmt: skip
    if isinstance(content, dict):
        content = {"licence": "", "thresholds": [], **content}  # earlier versions wrote none
    if not isinstance(content, dict) or any(type(content.get(name)) is not kind for name, kind in kinds.items()):
        raise ValueError(f"{path} is no checkpoint of this project: what it says of its origin has another form")
    if content["version"] != VERSION:
        raise ValueError(
            f"{path} has a checkpoint's layout of version {content['version']}, expected {VERSION}: read it with "
            "the version of this project that wrote it"
        )
    if not all(type(name) is str for name in content["class_names"]):
        raise ValueError(f"{path} is no checkpoint of this project: its class names are no text")
    thresholds, classes = content["thresholds"], len(content["class_names"])
    if len(thresholds) not in (0, classes) or not all(type(t) is float and 0 <= t <= 1 for t in thresholds):
        raise ValueError(
            f"{path} is no checkpoint of this project: its thresholds are no probabilities, one of each of its "
            f"{classes} classes"
        )
    return content | {"config": as_data(content["config"], path)}
