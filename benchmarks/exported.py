"""Measures exported networks on the CPU: ZeroI2V, whose adapters are folded into the encoder, beside AIM; precisions.

    python benchmarks/exported.py                 # ViT-B/16, 8 frames, one clip, onnxruntime, 1 thread
    python benchmarks/exported.py --precisions    # AIM alone, in fp32, fp16 and int8, by onnxruntime and by OpenVINO
    python benchmarks/exported.py --write         # the same, into benchmarks/README.md
    python benchmarks/exported.py data.image_size=112 --threads 2

Weights are random, those of adapters too. The files take turns in one process, so that what else the machine does slows
all of them alike.
"""

import argparse
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import NamedTuple

import onnxruntime
import torch

from video_adapters.commands import command
from video_adapters.commands.config import PROJECT, compose_config
from video_adapters.model.build import build_classifier, without_weights
from video_adapters.recognition.agreement import latencies
from video_adapters.recognition.export_formats import OPEN, Exported, Run, write_onnx, write_openvino
from video_adapters.recognition.reduced_precision import to_fp16, to_int8

from trained import put

DOCUMENT = PROJECT / "benchmarks" / "README.md"

WAYS = {
    "AIM": ["experiment=aim_ssv2"],
    "ZeroI2V": ["experiment=zeroi2v_ssv2"],
    "the encoder alone": ["experiment=zeroi2v_ssv2", "adapter=none"],
}
"""What is measured; the others are compared with the first."""


PRECISIONS = {
    "ONNX fp32": ("onnx", "fp32"),
    "ONNX fp16": ("onnx", "fp16"),
    "ONNX int8": ("onnx", "int8"),
    "OpenVINO fp32": ("openvino", "fp32"),
    "OpenVINO fp16 (bf16 where the CPU has it)": ("openvino", "fp16"),
    "OpenVINO int8": ("openvino", "int8"),
}


class File(NamedTuple):
    """An exported network."""

    params: int
    size: int  # bytes on disk
    run: Run
    clip: torch.Tensor  # (1, T, 3, H, W) uint8


def main() -> None:
    """Exports, measures, prints, and writes where asked."""
    arguments, overrides = _arguments()
    command.read_environment()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        if arguments.precisions:
            files = in_precisions([*WAYS["AIM"], *overrides], Path(folder))
        else:
            files = {
                name: exported([*way, *overrides], Path(folder) / f"{number}.onnx")
                for number, (name, way) in enumerate(WAYS.items())
            }
        text = markdown(files, measure(files, arguments.repeats))
    where = f"`{' '.join(overrides) or 'ViT-B/16, 8 frames'}`, one clip, {arguments.threads} thread(s)"
    programs = f"onnxruntime {onnxruntime.__version__}"
    if arguments.precisions:
        programs += f", OpenVINO {version('openvino')}"
    text = f"{where}, {programs}:\n\n{text}"
    print(text)
    if arguments.write:
        put(text, "precisions" if arguments.precisions else "exported", DOCUMENT)


def exported(overrides: Sequence[str], path: Path) -> File:
    """Writes the network of a config with random weights, its adapters anything but zero, and opens the file."""
    cfg = without_weights(compose_config("train", overrides))
    torch.manual_seed(0)
    classifier = build_classifier(cfg).eval()
    with torch.no_grad():
        for parameter in classifier.trainable().values():
            parameter.add_(0.02 * torch.randn(parameter.shape))
        classifier.backbone.merge()
        shape = (3, cfg.data.image_size, cfg.data.image_size)
        clips = torch.randint(256, (2, cfg.data.num_frames, *shape), dtype=torch.uint8)
        write_onnx(Exported(classifier).eval(), clips, ("clips", "probabilities"), path)
    return File(sum(p.numel() for p in classifier.parameters()), _size(path), OPEN["onnx"](path), clips[:1])


def in_precisions(overrides: Sequence[str], folder: Path) -> dict[str, File]:
    """A network in each format and precision; int8's ranges are measured on the clip itself, since speed is all that is
    asked for."""
    plain = folder / "fp32.onnx"
    first = exported(overrides, plain)
    to_fp16(plain, folder / "fp16.onnx")
    to_int8(plain, folder / "int8.onnx", [first.clip])
    files = {}
    for name, (kind, precision) in PRECISIONS.items():
        path = folder / f"{precision}.onnx"
        if kind == "openvino":
            write_openvino(
                plain if precision == "fp16" else path, path := path.with_suffix(".xml"), precision == "fp16"
            )
        files[name] = first._replace(size=_size(path), run=OPEN[kind](path, precision))
    return files


def measure(files: dict[str, File], repeats: int) -> dict[str, list[float]]:
    """Seconds of one clip, by turns; the first turn is not counted."""
    clip = next(iter(files.values())).clip
    return dict(zip(files, latencies([file.run for file in files.values()], clip, repeats), strict=True))


def _size(path: Path) -> int:
    """Bytes of a file and of the weights beside it."""
    return sum(
        part.stat().st_size for part in (*path.parent.glob(f"{path.name}*"), *path.parent.glob(f"{path.stem}.bin"))
    )


def markdown(files: dict[str, File], times: dict[str, list[float]]) -> str:
    """The table: medians, and the median of the ratios to the first file of the same turn."""
    first = next(iter(times.values()))
    lines = [
        f"| network | M parameters | file MiB | ms a clip | as fast as {next(iter(files))} |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, file in files.items():
        ratio = median(slow / own for slow, own in zip(first, times[name], strict=True))
        milliseconds = f"{1000 * median(times[name]):.0f}"
        lines.append(f"| {name} | {file.params / 1e6:.1f} | {file.size / 2**20:.0f} | {milliseconds} | {ratio:.2f} |")
    return "\n".join(lines)


def _arguments() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="of the config, as train.py takes them (data.image_size=112)")
    parser.add_argument("--threads", type=int, default=1, help="of each program (1)")
    parser.add_argument("--repeats", type=int, default=15, help="turns that are counted (15)")
    parser.add_argument("--precisions", action="store_true", help="of AIM, instead of the networks")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    arguments = parser.parse_intermixed_args()
    return arguments, arguments.overrides


if __name__ == "__main__":
    main()
