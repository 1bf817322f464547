"""The tensors in a TorchScript archive, read as data: `torch.jit.load` would run the programs that are beside them."""

import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

TYPES = {
    "FloatStorage": torch.float32, "HalfStorage": torch.float16, "DoubleStorage": torch.float64,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
}  # fmt: skip


def is_archive(file: Path) -> bool:
    """Whether a file is a TorchScript archive: those hold a `constants.pkl`, plain checkpoints a `data.pkl` alone."""
    if not zipfile.is_zipfile(file):
        return False
    with zipfile.ZipFile(file) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def read_tensors(file: Path) -> dict[str, Tensor]:
    """All tensors of an archive's module by their names, as its `state_dict` has them; nothing of it is run.

    Raises:
        ValueError: it holds something that is neither a module nor a tensor.
    """
    with zipfile.ZipFile(file) as archive:
        (content,) = (name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl"))
        try:
            return dict(_named(_Reader(archive, content).load()))
        except pickle.UnpicklingError as error:
            raise ValueError(str(error)) from error


class _Part:
    """A module of the archive."""

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Reader(pickle.Unpickler):
    """Knows modules, as something that has a state, tensors, and lists; any other name ends the reading."""

    def __init__(self, archive: zipfile.ZipFile, content: str) -> None:
        super().__init__(archive.open(content))
        self._archive = archive
        self._folder = content.removesuffix("data.pkl")
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        allowed: dict[tuple[str, str], Callable[..., Any]] = {
            ("torch._utils", "_rebuild_tensor_v2"): _rebuilt,
            ("collections", "OrderedDict"): OrderedDict,
            ("torch.jit._pickle", "restore_type_tag"): lambda value, tag: value,
        }
        if module == "__torch__" or module.startswith("__torch__."):
            return _Part
        if module == "torch.jit._pickle" and name.startswith("build_"):
            return list
        if module == "torch" and name in TYPES:
            return TYPES[name]
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"beside tensors it holds {module}.{name}")
        return allowed[module, name]

    def persistent_load(self, pid: Any) -> Tensor:
        """The numbers of a storage, in a row; each is read once."""
        _, dtype, key, *_ = pid
        if key not in self._storages:
            info = self._archive.getinfo(f"{self._folder}data/{key}")
            if info.compress_type != zipfile.ZIP_STORED:  # torch packs nothing; what is packed may be any size
                raise pickle.UnpicklingError("its tensors are packed, which torch does not do")
            self._storages[key] = torch.frombuffer(bytearray(self._archive.read(info)), dtype=dtype)
        return self._storages[key]


def _rebuilt(storage: Tensor, offset: int, size: Sequence[int], stride: Sequence[int], *_: Any) -> Tensor:
    if math.prod(size) > storage.numel():  # repeated by strides of 0: a number would become any size
        raise pickle.UnpicklingError("it has a tensor that is larger than its numbers")
    return storage.as_strided(size, stride, offset)


def _named(part: Any, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    state = part.state if isinstance(part, _Part) else None
    for name, value in (state if isinstance(state, dict) else {}).items():
        if isinstance(value, Tensor):
            yield f"{prefix}{name}", value
        else:
            yield from _named(value, f"{prefix}{name}.")
