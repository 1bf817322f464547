"""TorchScript archives as weights: read, not run; and pickles under the name of weights."""

import os
import pickle
import warnings
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import open_clip
import pytest
import timm
import torch
from torch import Tensor, nn

from video_adapters.model.encoders.pretrained import load_encoder
from video_adapters.model.encoders.torchscript import is_archive, read_tensors


@pytest.fixture(autouse=True)
def archives_are_published_so() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*torch.jit")
        yield


class Everything(nn.Module):
    """Parameters and buffers of several types, views of a storage, lists of numbers."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.visual = nn.Sequential(nn.Linear(3, 4).half(), nn.BatchNorm1d(4))
        self.column = nn.Parameter(torch.rand(3, 2, generator=generator)[:, 1])
        self.register_buffer("number", torch.tensor(224))
        self.register_buffer("flags", torch.tensor([True, False]))
        self.sizes = [1, 2, 3]

    def forward(self, x: Tensor) -> Tensor:
        return x * self.column


class RunsOnLoading(nn.Module):
    """Its program writes a file as soon as `torch.jit.load` reads it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    @torch.jit.export
    def __getstate__(self) -> tuple[Tensor, bool]:
        return self.weight, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[Tensor, bool]) -> None:
        self.weight = state[0] + torch.from_file("proof", True, 10).sum()
        self.training = state[1]

    def forward(self, x: Tensor) -> Tensor:
        return x


class Shell:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch proof",)


def saved(module: nn.Module, path: Path) -> Path:
    torch.jit.script(module).save(str(path))
    return path


def test_an_archive_gives_the_tensors_that_torch_would_give(tmp_path: Path) -> None:
    file = saved(Everything(), tmp_path / "a.pt")
    assert is_archive(file)
    expected, found = torch.jit.load(str(file)).state_dict(), read_tensors(file)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value), name


def test_no_program_of_an_archive_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = saved(RunsOnLoading(), tmp_path / "a.pt")
    (tmp_path / "proof").unlink(missing_ok=True)
    assert read_tensors(file) == {}
    assert not (tmp_path / "proof").exists()
    torch.jit.load(str(file))
    assert (tmp_path / "proof").exists()  # which is why


def hostile_archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/constants.pkl", b"")
        archive.writestr("a/data.pkl", pickle.dumps(Shell(), 2))


def hostile_pickle(path: Path) -> None:
    torch.save({"state_dict": {"a": Shell()}}, path)


def hostile_old_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(Shell()))


TEXT = {"width": 16, "heads": 1, "layers": 1, "context_length": 8, "vocab_size": 50}
VISION = {"image_size": 32, "patch_size": 16, "width": 32, "layers": 1, "head_width": 16}
ENCODERS = {
    "timm": partial(
        timm.create_model, model_name="vit_tiny_patch16_224", embed_dim=32, depth=1, num_heads=2, num_classes=0
    ),
    "open_clip": partial(
        open_clip.create_model, model_name="ViT-B-16-quickgelu", embed_dim=16, text_cfg=TEXT, vision_cfg=VISION
    ),
}


@pytest.mark.parametrize("write", [hostile_archive, hostile_pickle, hostile_old_pickle])
@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin", ".npz", ".safetensors"])
@pytest.mark.parametrize("library", ENCODERS)
def test_no_weights_file_runs_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, suffix: str, write: Callable[[Path], None]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / f"weights{suffix}")
    with pytest.raises(ValueError, match=r"could not be loaded from the file"):
        load_encoder(ENCODERS[library], str(tmp_path / f"weights{suffix}"))
    assert not (tmp_path / "proof").exists()


def test_a_tensor_that_repeats_its_numbers_is_refused(tmp_path: Path) -> None:
    module = nn.Module()
    module.register_buffer("many", torch.zeros(1).expand(10**6, 10**6))
    file = saved(module, tmp_path / "a.pt")
    with pytest.raises(ValueError, match="larger than its numbers"):
        read_tensors(file)
