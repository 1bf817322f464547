"""Archives that are small and unpack to much, wherever weights are read."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from video_adapters.commands.archives import Bomb, refuse_bomb
from video_adapters.model.encoders.weights import build_from_file
from video_adapters.official.request import read_official
from video_adapters.trust import checkpoint_file


def packed(path: Path) -> Path:
    """A checkpoint of zeros whose parts are packed, as torch does not do, though it reads them."""
    torch.save({"state_dict": {"a": torch.zeros(10**5)}, "origin": {}}, path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    assert torch.load(path, weights_only=True)["state_dict"]["a"].numel() == 10**5
    return path


def test_an_archive_that_grows_when_it_is_unpacked_is_refused_wherever_weights_are_read(tmp_path: Path) -> None:
    bomb = packed(tmp_path / "a.pt")
    for read in (refuse_bomb, checkpoint_file.read, read_official, lambda path: build_from_file(None, path)):  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"it is an archive of \d{4} bytes that unpacks to 4\d{5}"):
            read(bomb)


def test_parts_that_lie_in_the_same_bytes_of_the_file_count_each(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a", bytes(10_000))
        archive.filelist *= 10
    with pytest.raises(Bomb, match="unpacks to 100000"):
        refuse_bomb(tmp_path / "a.zip")


def test_honest_files_pass(tmp_path: Path) -> None:
    weights = torch.randn(10_000)
    torch.save({"a": weights}, tmp_path / "a.pt")
    np.savez_compressed(tmp_path / "a.npz", a=weights.half().float().numpy())
    (tmp_path / "text").write_text("no archive")
    for path in tmp_path.iterdir():
        refuse_bomb(path)
