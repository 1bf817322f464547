"""A trained checkpoint as a file for other programs: ONNX, OpenVINO's format, or torch.export's own."""

import json
import logging
import math
import tempfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import torch
from hydra.utils import instantiate
from torch import Tensor

from video_adapters.commands.atomic import put
from video_adapters.commands.outputs import check_file
from video_adapters.commands.terminal import summary
from video_adapters.commands.wording import counted
from video_adapters.data.clips.sample import Sampling
from video_adapters.data.datamodule import VideoData
from video_adapters.data.views import Views
from video_adapters.recognition.agreement import BATCHES, TOLERANCE, largest_difference, latencies, noise
from video_adapters.recognition.export_accuracy import calibration_clips, compare, validation_data
from video_adapters.recognition.export_formats import OPEN, WRITE, Exported, Run, openvino_computes_in, write_openvino
from video_adapters.recognition.export_request import Request
from video_adapters.recognition.load import Loaded, load
from video_adapters.recognition.preprocessing import preprocessing
from video_adapters.recognition.reduced_precision import check_size, to_fp16, to_int8

log = logging.getLogger(__name__)


def export(request: Request) -> dict[str, Any]:
    """Writes the network of a checkpoint in another format, and a description beside it.

    Of its adapters what can be is folded into the encoder's matrices. The written file is run before it gets its name:
    in float32 on batches of several sizes, whose values are compared with those of the network as it was trained; in
    fp16 and int8 on validation videos too, beside the file in float32.

    Returns: the description.

    Raises:
        ValueError: for what `load` refuses, a place that cannot be written to, validation videos that are not at hand,
            an output in float32 that is not PyTorch's, and an accuracy that loses more than `max_loss` points.
    """
    check_file(request.file, "--out")
    loaded = load(request.checkpoint, request.weights)
    data = None
    if request.precision != "fp32":
        data = validation_data(loaded.cfg, None if request.data is None else str(request.data), request.videos)
    parent = request.file.parent
    with (
        torch.no_grad(),
        tempfile.TemporaryDirectory(dir=parent, prefix=".export") as folder,
        tempfile.TemporaryDirectory(dir=parent, prefix=".export") as scratch,
    ):
        written = Path(folder) / request.file.name
        measured = _write(request, loaded, data, written, Path(scratch) / "fp32.onnx")
        about = describe(request, loaded) | measured
        written.with_suffix(".json").write_text(json.dumps(about, indent=1) + "\n")
        for part in sorted(Path(folder).iterdir()):  # large weights lie in a file of their own
            put(part, parent / part.name)
    _report(request, about)
    return about


def _write(request: Request, loaded: Loaded, data: VideoData | None, written: Path, scratch: Path) -> dict[str, Any]:
    """Writes the file, by way of an ONNX file in float32 where it is made of one, and checks it.

    Returns: what was measured.
    """
    backbone = loaded.classifier.backbone
    network = Exported(loaded.classifier, request.logits).eval()
    batches = [noise(backbone, size) for size in BATCHES]
    expected = [network(clips) for clips in batches]
    folded = backbone.merge()
    direct = request.precision == "fp32" and request.format != "openvino"
    plain = written if direct else scratch
    WRITE[request.format](network, noise(backbone, 2), request.names, plain)
    runs = [OPEN["torch_export" if request.format == "torch_export" else "onnx"](plain)]
    off = largest_difference(expected, batches, runs[0])
    _check(off, request.format, TOLERANCE)
    measured: dict[str, Any] = {"folded_parameters": folded}
    if not direct:
        measured |= _convert(request, plain, data, written)
        runs.append(OPEN[request.format](written, request.precision))
        off = largest_difference(expected, batches, runs[1])
        _check(off, request.kind, TOLERANCE if request.precision == "fp32" else math.inf)
    if data is not None:
        measured |= {"accuracy": _accuracy(request, loaded, data, *runs)}
    return measured | {"largest_difference": off, "latency": _latency(runs, batches[0])}


def _check(off: float, name: str, allowed: float = math.inf) -> None:
    """Refuses a file whose values are too far from those of PyTorch, or no numbers."""
    if not math.isfinite(off):
        raise ValueError(f"the {name} export gives values that are no finite numbers: nothing was written")
    if off > allowed:
        raise ValueError(
            f"the {name} export gives values that are off by up to {off:.2g} of the largest that PyTorch gives (or of "
            f"1, if that is less), more than {allowed}: nothing was written"
        )


def _convert(request: Request, plain: Path, data: VideoData | None, written: Path) -> dict[str, Any]:
    """Makes a file of the format and precision that are asked for of an ONNX file in float32.

    Returns: what the description says of it.
    """
    about: dict[str, Any] = {}
    reduced = written if request.format == "onnx" else plain.with_name("reduced.onnx")
    if request.precision == "int8":
        assert data is not None
        check_size(plain)
        taken = count()
        clips = (clip for clip, _ in zip(calibration_clips(data, request.calibration), taken, strict=False))
        to_int8(plain, reduced, clips)
        about["calibration"] = {
            "split": data.splits["val"],
            "videos": next(taken),
            "ranges": "least and greatest value of each activation, over one view of each video",
        }
    elif request.precision == "fp16" and request.format == "onnx":
        check_size(plain)
        to_fp16(plain, reduced)
    else:
        reduced = plain
    if request.format == "openvino":
        write_openvino(reduced, written, half=request.precision == "fp16")
        about["inference_precision_hint"] = openvino_computes_in(request.precision)
    return about


def _accuracy(request: Request, loaded: Loaded, data: VideoData, plain: Run, reduced: Run) -> dict[str, Any]:
    """Both files' accuracy, if that of the second is near enough to be kept."""
    probabilities = loaded.classifier.probabilities if request.logits else lambda scores: scores
    comparison = compare(data, probabilities, plain, reduced)
    if not comparison.points >= -request.max_loss:  # of no video with a class there is no mAP
        raise ValueError(
            f"{request.kind} loses more than {request.max_loss:g} points: {comparison}; nothing was written "
            "(--max-loss says how many it may lose)"
        )
    about = {"split": data.splits["val"], "views": data.views["val"].described(), "max_loss_points": request.max_loss}
    return {"in_words": str(comparison)} | comparison.described() | about


def _latency(runs: Sequence[Run], clip: Tensor) -> dict[str, Any]:
    """Of the file that is kept, which is the last, and of ONNX in float32, the first."""
    times = latencies(runs, clip)
    about = {"milliseconds": 1000 * median(times[-1]), "clips": 1, "threads": torch.get_num_threads()}
    if len(runs) > 1:
        ratio = median(plain / own for plain, own in zip(*times, strict=True))
        about |= {"onnx_fp32_milliseconds": 1000 * median(times[0]), "times_as_fast": ratio}
    return {name: round(value, 3) for name, value in about.items()} | {"turns": len(times[0])}


def describe(request: Request, loaded: Loaded) -> dict[str, Any]:
    """What another program has to know: what goes in, what comes out, which frames and crops belong in a clip."""
    backbone, cfg, names = loaded.classifier.backbone, loaded.cfg, loaded.class_names
    height, width = backbone.encoder.image_size
    given, result = request.names
    views: Views = instantiate(cfg.data.test_views)
    sampling: Sampling = instantiate(cfg.data.sampling)(num_frames=backbone.num_frames)
    return {
        "format": request.format,
        "precision": request.precision,
        "checkpoint": str(request.checkpoint),
        "input": {"name": given, "shape": ["batch", backbone.num_frames, 3, height, width], "dtype": "uint8"},
        "output": {"name": result, "shape": ["batch", len(names)], "dtype": "float32"},
        "pixels": "RGB, 0 to 255; the network itself divides by 255 and applies mean and std",
        "mean": list(backbone.encoder.mean),
        "std": list(backbone.encoder.std),
        "num_frames": backbone.num_frames,
        "image_size": [height, width],
        "preprocessing": preprocessing(sampling, views, height),
        "class_names": list(names),
        "labels": loaded.classifier.labels,
        "thresholds": list(loaded.thresholds) or None,
        "encoder_licence": loaded.licence or None,
    }


def _report(request: Request, about: dict[str, Any]) -> None:
    folded, off = about["folded_parameters"], about["largest_difference"]
    rows = {
        "written": str(request.file),
        "description": f"{request.about}: class names, and how frames are chosen, resized and cropped",
        "input": f"{about['input']['name']} {about['input']['shape']} uint8",
        "output": f"{about['output']['name']} {about['output']['shape']} float32",
        "folded": f"{folded:,} parameters of adapters, into the encoder's matrices" if folded else "nothing",
        "checked": f"batches of {' and '.join(map(str, BATCHES))}: off by at most {off:.1g}",
    }
    if "inference_precision_hint" in about:
        rows["checked"] += f", computed in {about['inference_precision_hint']}"
    if "calibration" in about:
        rows["calibrated"] = f"on {counted(about['calibration']['videos'], 'validation video')}"
    if "accuracy" in about:
        rows["accuracy"] = about["accuracy"]["in_words"]
    rows["latency"] = _told_latency(about["latency"])
    summary("exported", rows)
    if (ratio := about["latency"].get("times_as_fast", 1)) < 1:
        log.warning("%s is slower on this CPU than onnx in fp32: %.2f times as fast", request.kind, ratio)


def _told_latency(latency: dict[str, Any]) -> str:
    text = f"{latency['milliseconds']:.1f} ms a clip"
    if "times_as_fast" in latency:
        text += (
            f", ONNX in fp32 {latency['onnx_fp32_milliseconds']:.1f} ms: {latency['times_as_fast']:.2f} times as fast"
        )
    return f"{text} ({counted(latency['threads'], 'thread')} of this CPU, median of {latency['turns']} turns)"
