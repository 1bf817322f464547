"""Exports in fp16 and int8, and for OpenVINO: kept with their accuracy beside float32's, or not at all."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from video_adapters.recognition import agreement, export_formats
from video_adapters.recognition import export as exports
from video_adapters.recognition.export import export
from video_adapters.recognition.export_request import Request

OPENED_AND_GONE = """
import faulthandler, gc, signal, subprocess, sys
import numpy, openvino, torch
from openvino import opset13
from video_adapters.recognition.export_formats import open_openvino
value = opset13.parameter([8, 8], numpy.float32)
product = opset13.matmul(value, opset13.constant(numpy.ones((8, 8), numpy.float32)), False, False)
openvino.save_model(openvino.Model([opset13.result(product)], [value]), sys.argv[1])
faulthandler.enable()
signal.signal(signal.SIGCHLD, lambda *_: None)
runs = [open_openvino(sys.argv[1], precision) for precision in ("fp32", "int8")]
runs[1](torch.ones(8, 8))
while runs:
    del runs[0]
    gc.collect()
subprocess.run(["true"])
print("survived")
"""
"""A signal, after networks of OpenVINO have come and gone in this order."""


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Any], Any]], None]:
    """ONNX without torch's exporter, which takes many seconds; `reduced` makes the other network of that in float32."""

    def replace(reduced: Callable[[Any], Any]) -> None:
        networks: dict[str, Any] = {}

        def write(network: Any, clips: Any, names: Any, path: Path) -> None:
            path.touch()
            networks[path.name] = network

        def convert(request: Request, plain: Path, data: Any, written: Path) -> dict[str, Any]:
            written.touch()
            networks[written.name] = reduced(networks[plain.name])
            return {}

        monkeypatch.setitem(export_formats.WRITE, "onnx", write)
        monkeypatch.setitem(export_formats.OPEN, "onnx", lambda path, precision="fp32": networks[path.name])
        monkeypatch.setattr(exports, "_convert", convert)
        monkeypatch.setattr(agreement, "TURNS", (1, 1))

    return replace


def test_what_loses_more_than_it_may_is_not_kept(trained: Path, tmp_path: Path, stand_in: Any) -> None:
    """A broken quantisation: it names another class than float32 does."""
    stand_in(lambda network: lambda clips: network(clips).roll(1, -1))
    best = trained / "checkpoints" / "best.ckpt"
    request = Request(checkpoint=best, format="onnx", precision="int8", out=tmp_path / "q.onnx")
    with pytest.raises(
        ValueError, match=r"onnx in int8 loses more than 1 points: top1 .* on \d+ validation videos; noth"
    ):
        export(request)
    assert list(tmp_path.iterdir()) == []
    about = export(Request(checkpoint=best, format="onnx", precision="int8", out=tmp_path / "q.onnx", max_loss=100))
    assert about["accuracy"]["difference_points"] < -1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["q.json", "q.onnx"]


def test_values_may_be_off_as_long_as_classes_are_not(trained: Path, tmp_path: Path, stand_in: Any) -> None:
    stand_in(lambda network: lambda clips: network(clips) * 0.9)
    best = trained / "checkpoints" / "best.ckpt"
    export(Request(checkpoint=best, format="onnx", precision="fp16", out=tmp_path / "h.onnx", max_loss=0, videos=5))
    about = json.loads((tmp_path / "h.json").read_text())
    assert about["precision"] == "fp16"
    assert about["largest_difference"] > 0.01
    scored = about["accuracy"]
    assert (scored["metric"], scored["split"], scored["videos"], scored["difference_points"]) == ("top1", "val", 5, 0)
    assert about["latency"]["threads"] == torch.get_num_threads()
    assert about["latency"]["onnx_fp32_milliseconds"] > 0


def test_numbers_that_are_none_are_never_kept(trained: Path, tmp_path: Path, stand_in: Any) -> None:
    stand_in(lambda network: lambda clips: network(clips) * (torch.nan if len(clips) > 1 else 1))
    request = Request(
        checkpoint=trained / "checkpoints" / "best.ckpt", format="onnx", precision="fp16", out=tmp_path / "h.onnx",
        max_loss=100,
    )  # fmt: skip
    with pytest.raises(ValueError, match="the onnx in fp16 export gives values that are no finite numbers"):
        export(request)


@pytest.mark.slow
def test_signals_are_survived_after_openvino_has_gone(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", OPENED_AND_GONE, str(tmp_path / "m.xml")], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "survived\n"), done.stderr


def test_impossible_requests_are_refused(tmp_path: Path) -> None:
    def request(**given: Any) -> Request:
        return Request(**{"checkpoint": tmp_path / "best.ckpt", "format": "onnx", "precision": "int8"} | given)

    assert request().file == tmp_path / "best.int8.onnx"
    assert request().about == tmp_path / "best.int8.json"
    for name in ("hf:u/vit-0.4", "vit-0.4"):  # models, whose names may have dots
        assert request(checkpoint=Path(name), precision="fp32").file.name == "vit-0.4.onnx"
    with pytest.raises(ValueError, match="the precision of --format torch_export is 'int8', expected one of: fp32"):
        request(format="torch_export")
    with pytest.raises(ValueError, match="is 'int4', expected one of: fp32, fp16, int8"):
        request(precision="int4")
    with pytest.raises(ValueError, match="--data is for fp16 and int8"):
        request(precision="fp32", data=tmp_path)
    with pytest.raises(ValueError, match="--max-loss is -1, expected points of accuracy, at least 0"):
        request(max_loss=-1)
    with pytest.raises(ValueError, match="--calibration is 0, expected at least 1"):
        request(calibration=0)
    with pytest.raises(ValueError, match=r"OpenVINO's format is told by its ending: expected \.xml"):
        request(format="openvino", out=tmp_path / "q.onnx")
    (tmp_path / "q.bin").touch()
    with pytest.raises(ValueError, match=r"q\.bin exists already"):
        request(format="openvino", out=tmp_path / "q.xml")


@pytest.fixture(scope="module")
def written_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One ONNX file in float32 for all of a checkpoint's exports, copied where the next is to be written."""
    files, folder = list[Path](), tmp_path_factory.mktemp("written")
    write = export_formats.WRITE["onnx"]

    def copy(network: Any, clips: Any, names: Any, path: Path) -> None:
        if not files:
            write(network, clips, names, path)
            files.append(Path(shutil.copy(path, folder)))
        shutil.copy(files[0], path)

    with pytest.MonkeyPatch.context() as patch:
        for name in ("onnx", "openvino"):
            patch.setitem(export_formats.WRITE, name, copy)
        patch.setattr(agreement, "TURNS", (1, 1))
        yield


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of torch's exporter
@pytest.mark.parametrize(
    ("format_name", "precision"),
    [("onnx", "fp16"), ("onnx", "int8"), ("openvino", "fp32"), ("openvino", "int8")],
)
def test_each_precision_is_written_runs_and_says_what_was_measured(
    format_name: str, precision: str, trained: Path, tmp_path: Path, written_once: None
) -> None:
    best = trained / "checkpoints" / "best.ckpt"
    request = Request(
        checkpoint=best, format=format_name, precision=precision, max_loss=40, calibration=4, videos=6,
        out=tmp_path / f"toy{export_formats.SUFFIXES[format_name]}",
    )  # fmt: skip
    about = export(request)
    assert about == json.loads(request.about.read_text())
    run = export_formats.OPEN[format_name](request.file, precision)
    shape = about["input"]["shape"][1:]
    for count in (1, 3):
        clips = torch.from_numpy(np.random.default_rng(count).integers(0, 256, (count, *shape), np.uint8))
        assert run(clips).shape == (count, len(about["class_names"]))
    if precision == "fp32":
        assert about["largest_difference"] < agreement.TOLERANCE
        assert "accuracy" not in about
    else:
        assert about["accuracy"]["videos"] == 6
        assert about["largest_difference"] > 0
    assert ("calibration" in about) == (precision == "int8")
    if precision == "int8":
        assert about["calibration"]["videos"] == 6  # not the 4 asked for: one of each class is all there are
    assert ("inference_precision_hint" in about) == (format_name == "openvino")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".export")]
