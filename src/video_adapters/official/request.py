"""An import as its user asks for it: the checkpoint of the official release and its options, checked."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from video_adapters.commands.archives import refuse_bomb
from video_adapters.data.annotations.ssv2 import read_labels


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be imported, and what its tensors cannot tell."""

    checkpoint: Path
    out: Path
    encoder_out: Path | None = None  # for frozen weights that are no published encoder's; None: beside `out`
    heads: int | None = None  # of a ViT's attention; None: width / 64
    scale: float | None = None  # of the joint adapter; None: 1 with two temporal adapters, else 0.5
    image_size: int | None = None  # of a Swin without attention masks, pixels; None: 224
    data: str | None = None  # data config; None: the paper's one of so many classes
    root: str | None = None  # folder of the data set
    classes: Path | None = None  # class names; None: their numbers
    published: Path | None = None  # file with the published encoder; None: what the hub or its cache holds
    overwrite: bool = False
    overrides: Sequence[str] = ()  # of the config that the checkpoint remembers

    @property
    def encoder_file(self) -> Path:
        """Where frozen weights go."""
        return (self.encoder_out or self.out.with_name(f"{self.out.stem}_encoder.safetensors")).absolute()

    def refuse_overwriting(self, path: Path) -> None:
        """A ValueError for a file that exists, unless it may be written over."""
        if path.exists() and not self.overwrite:
            raise ValueError(f"{path} exists already: choose another name, or say --overwrite")

    def class_names(self, num_classes: int | None) -> tuple[str, ...]:
        """One name per class, by label: those of the file, or numbers. None without a head: no run can take it over.

        Raises:
            ValueError: for a file of another kind, or with more or fewer names.
        """
        if self.classes is None:
            return tuple(str(label) for label in range(num_classes or 0))
        if not self.classes.is_file():
            raise ValueError(f"--classes: there is no file at {self.classes.absolute()}")
        file = self.classes
        lines = read_labels(str(file)) if file.suffix == ".json" else file.read_text().splitlines()
        names = [line.strip() for line in lines if line.strip()]
        if len(names) != (num_classes or 0):
            raise ValueError(f"--classes: {self.classes} has {len(names)} names, the head {num_classes or 0} classes")
        return tuple(names)


def read_official(path: Path) -> Any:
    """Reads a file without running code from it; numpy's numbers, which mmcv leaves in `meta`, are let in.

    Raises:
        ValueError: for a missing file, one that holds anything else, and one of our own.
    """
    if not path.is_file():
        raise ValueError(f"there is no checkpoint file at {path.absolute()}")
    scalar = np.float64(0).__reduce__()[0]
    kinds = {type(np.dtype(kind)) for kind in np.sctypeDict.values()}
    names = [(scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]  # of numpy 1 and 2
    try:
        refuse_bomb(path)
        with torch.serialization.safe_globals([np.dtype, *kinds, *names]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpicklers fail in too many ways to list; the cause is kept
        raise ValueError(f"{path} {_why_unread(str(error))}") from error
    if isinstance(content, dict) and "origin" in content:
        raise ValueError(f"{path} is a checkpoint of this project already")
    return content


def _why_unread(error: str) -> str:
    if kind := re.search(r"(?:Unsupported global: GLOBAL|Unsupported class|reduce type) ([\w.]+)", error):
        return (
            f"is refused: beside tensors and numbers it holds a {kind[1]}, and reading that may run code. If you "
            "trust the file, load it with weights_only=False and save its 'state_dict' alone"
        )
    return f"cannot be read as a checkpoint: {' '.join(error.split())[:200]}"
