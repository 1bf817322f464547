"""Formats of exported networks: ONNX, OpenVINO's, and torch.export's own; each is written, and opened to be run."""

import importlib.util
import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from video_adapters.model.classifier import VideoClassifier

SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "torch_export": ".pt2"}
PACKAGES = {
    "onnx": {"onnx": "export", "onnxscript": "export", "onnxruntime": "export"},
    "openvino": {"onnx": "export", "onnxscript": "export", "onnxruntime": "export", "openvino": "openvino"},
    "torch_export": {},
}
"""What a format needs, and the extra of this project's that brings it. OpenVINO's is made of the ONNX file."""
PRECISIONS = {"onnx": ("fp32", "fp16", "int8"), "openvino": ("fp32", "fp16", "int8"), "torch_export": ("fp32",)}
Run = Callable[[Tensor], Tensor]
"""An opened file: (B, T, 3, S, S) uint8 -> probabilities, or logits, (B, C). It takes as many threads as torch does."""


class Exported(nn.Module):
    """What is exported: (B, T, 3, S, S) uint8 -> probabilities, or logits, (B, C) float32. It normalises by itself."""

    def __init__(self, classifier: VideoClassifier, logits: bool = False) -> None:
        super().__init__()
        self.classifier = classifier
        self.logits = logits

    def forward(self, clips: Tensor) -> Tensor:
        scores = self.classifier(clips).float()
        return scores if self.logits else self.classifier.probabilities(scores)


def check_packages(name: str) -> None:
    """A ValueError where packages that a format needs are not there."""
    missing = {package: extra for package, extra in PACKAGES[name].items() if importlib.util.find_spec(package) is None}
    if missing:
        extras = ",".join(dict.fromkeys(missing.values()))
        raise ValueError(
            f"--format {name} needs {', '.join(missing)}: pip install -e '.[{extras}]' brings what is missing"
        )


def write_torch_export(network: nn.Module, clips: Tensor, names: tuple[str, str], path: Path) -> None:
    """Writes a network as torch.export's own format, for batches of any size; `clips` are a batch to trace it with."""
    program = torch.export.export(network, (clips,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    torch.export.save(program, path)


def write_onnx(network: nn.Module, clips: Tensor, names: tuple[str, str], path: Path) -> None:
    """Writes a network as ONNX, in float32, as `write_torch_export`; `names` are those of its input and output."""
    logging.getLogger("onnxscript").setLevel(logging.ERROR)  # which constants it has not folded is nobody's concern
    program = torch.onnx.export(
        network,
        (clips,),
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        input_names=names[:1],
        output_names=names[1:],
        verbose=False,
    )
    assert program is not None
    program.save(path)


def write_openvino(source: Path, path: Path, half: bool) -> None:
    """Writes an ONNX network as OpenVINO's .xml and .bin, weights in `half` their bytes or as they are.

    (`read_model`, since `convert_model` would tell OpenVINO's makers that it was called.)
    """
    import openvino

    openvino.save_model(_core().read_model(source), path, compress_to_fp16=half)


def open_torch_export(path: Path, precision: str = "fp32") -> Run:
    run: Run = torch.export.load(path).module()
    return run


def open_onnx(path: Path, precision: str = "fp32") -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda clips: torch.from_numpy(session.run(None, {name: clips.numpy()})[0])


def open_openvino(path: Path, precision: str = "fp32") -> Run:
    settings = {
        "INFERENCE_PRECISION_HINT": openvino_computes_in(precision),
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    compiled = _core().compile_model(path, "CPU", settings)
    return lambda clips: torch.from_numpy(compiled(clips.numpy())[0].copy())


def openvino_computes_in(precision: str) -> str:
    """OpenVINO's INFERENCE_PRECISION_HINT for what a file leaves open: in fp16 and int8 what it takes by itself, which
    is bf16 on a CPU that multiplies in it; fp32 is to be fp32."""
    return "f32" if precision == "fp32" else _core().get_property("CPU", "INFERENCE_PRECISION_HINT").to_string()


@cache
def _core() -> Any:
    """OpenVINO, once for the process, to its end.

    On a CPU with AMX each of its cores lays a stack for signals, and takes it away when it goes. Of two that go in the
    order in which they came, the second one puts the first one's back, which is freed: the next signal, as of a child
    that ends or of Ctrl-C, is a segmentation fault (2026.4).
    """
    import openvino

    return openvino.Core()


WRITE = {"onnx": write_onnx, "openvino": write_onnx, "torch_export": write_torch_export}
"""Writers of a network in float32; OpenVINO's format is then made of the ONNX file."""
OPEN = {"onnx": open_onnx, "openvino": open_openvino, "torch_export": open_torch_export}
