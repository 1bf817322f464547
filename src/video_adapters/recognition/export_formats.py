"""Formats of exported networks: ONNX and torch.export's own; each is written, and opened to be run."""

import importlib.util
import logging
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from video_adapters.model.classifier import VideoClassifier

SUFFIXES = {"onnx": ".onnx", "torch_export": ".pt2"}
NEEDED = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "torch_export": ()}

Run = Callable[[Tensor], Tensor]


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
    if missing := [package for package in NEEDED[name] if importlib.util.find_spec(package) is None]:
        raise ValueError(
            f"--format {name} needs {', '.join(missing)}: pip install -e '.[export]' brings what is missing"
        )


def write_torch_export(network: nn.Module, clips: Tensor, names: tuple[str, str], path: Path) -> Run:
    program = torch.export.export(network, (clips,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    torch.export.save(program, path)
    run: Run = torch.export.load(path).module()
    return run


def write_onnx(network: nn.Module, clips: Tensor, names: tuple[str, str], path: Path) -> Run:
    import onnxruntime

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
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda clips: torch.from_numpy(session.run(None, {names[0]: clips.numpy()})[0])


WRITE = {"onnx": write_onnx, "torch_export": write_torch_export}
