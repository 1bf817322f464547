"""The benchmark of exported networks, on toys."""

from pathlib import Path

import pytest
import torch

import exported
from exported import PRECISIONS, in_precisions, markdown, measure


def test_the_table_compares_with_the_first_file() -> None:
    file = exported.File(2_000_000, 2**20, lambda clips: clips, torch.zeros(1))
    files = {"one": file, "other": file}
    lines = markdown(files, {"one": [4.0, 2.0], "other": [2.0, 1.0]}).splitlines()
    assert lines[0].endswith("| as fast as one |")
    assert lines[2:] == ["| one | 2.0 | 1 | 3000 | 1.00 |", "| other | 2.0 | 1 | 1500 | 2.00 |"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of torch's exporter
def test_every_precision_is_measured(tmp_path: Path) -> None:
    toy = ["experiment=aim_ssv2", "model=toy_vit", "model.encoder.depth=1", "data.image_size=32", "data.num_frames=2"]
    files = in_precisions([*toy, "data.num_classes=3", "data.root=."], tmp_path)
    assert files.keys() == PRECISIONS.keys()
    assert files["ONNX int8"].size < files["ONNX fp32"].size > files["ONNX fp16"].size
    assert {name: len(seconds) for name, seconds in measure(files, 2).items()} == dict.fromkeys(PRECISIONS, 2)
