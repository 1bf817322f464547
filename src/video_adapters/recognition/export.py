"""A trained checkpoint as a file for other programs: ONNX, or torch.export's own format."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate

from video_adapters.commands.atomic import put
from video_adapters.commands.outputs import check_file
from video_adapters.commands.terminal import summary
from video_adapters.data.clips.sample import Sampling
from video_adapters.data.views import Views
from video_adapters.recognition.agreement import BATCHES, TOLERANCE, difference, noise
from video_adapters.recognition.export_formats import SUFFIXES, WRITE, Exported, check_packages
from video_adapters.recognition.load import Loaded, load
from video_adapters.recognition.preprocessing import preprocessing


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be exported, and where it goes.

    Raises:
        ValueError: for an unknown format, packages that it needs and that are not there, files in the way,
            and the name of the description.
    """

    checkpoint: Path
    format: str  # one of SUFFIXES
    out: Path | None = None  # None: beside the checkpoint, by its name
    weights: Path | None = None  # of the frozen encoder; None: where the checkpoint remembers them
    logits: bool = False  # instead of probabilities
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.format not in SUFFIXES:
            raise ValueError(f"the format is '{self.format}', expected one of: {', '.join(SUFFIXES)}")
        check_packages(self.format)
        if self.file == self.about:
            raise ValueError(f"--out is {self.file}, but .json is the description's: expected another ending")
        for path in (self.file, self.about):
            if path.exists() and not self.overwrite:
                raise ValueError(f"{path} exists already: choose another --out, or say --overwrite")

    @property
    def file(self) -> Path:
        """Where the exported network goes."""
        return self.out or self.checkpoint.with_suffix(SUFFIXES[self.format])

    @property
    def about(self) -> Path:
        """Where a description of its input and output goes."""
        return self.file.with_suffix(".json")

    @property
    def names(self) -> tuple[str, str]:
        """Of input and output."""
        return "clips", "logits" if self.logits else "probabilities"


def export(request: Request) -> dict[str, Any]:
    """Writes the network of a checkpoint in another format, in float32, and a description beside it.

    Of its adapters what can be is folded into the encoder's matrices. The written file is run before it gets its name,
    on batches of several sizes, and compared with the network as it was trained.

    Returns: the description.

    Raises:
        ValueError: for what `load` refuses, a place that cannot be written to, and an output that is not PyTorch's.
    """
    check_file(request.file, "--out")
    loaded = load(request.checkpoint, request.weights)
    backbone = loaded.classifier.backbone
    network = Exported(loaded.classifier, request.logits).eval()
    with torch.no_grad(), tempfile.TemporaryDirectory(dir=request.file.parent, prefix=".export") as folder:
        written = Path(folder) / request.file.name
        batches = [noise(backbone, size) for size in BATCHES]
        expected = [network(clips) for clips in batches]
        folded = backbone.merge()
        run = WRITE[request.format](network, noise(backbone, 2), request.names, written)
        off = max(difference(y, run(clips)) for y, clips in zip(expected, batches, strict=True))
        if not off <= TOLERANCE:
            raise ValueError(
                f"the {request.format} export gives values that are off by up to {off:.2g} of the largest that "
                f"PyTorch gives (or of 1, if that is less), more than {TOLERANCE}: nothing was written"
            )
        about = describe(request, loaded) | {"folded_parameters": folded, "largest_difference": off}
        written.with_suffix(".json").write_text(json.dumps(about, indent=1) + "\n")
        for part in sorted(Path(folder).iterdir()):  # large weights lie in a file of their own
            put(part, request.file.parent / part.name)
    _report(request, about)
    return about


def describe(request: Request, loaded: Loaded) -> dict[str, Any]:
    """What another program has to know: what goes in, what comes out, which frames and crops belong in a clip."""
    backbone, cfg, names = loaded.classifier.backbone, loaded.cfg, loaded.class_names
    height, width = backbone.encoder.image_size
    given, result = request.names
    views: Views = instantiate(cfg.data.test_views)
    sampling: Sampling = instantiate(cfg.data.sampling)(num_frames=backbone.num_frames)
    return {
        "format": request.format,
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
        "encoder_licence": loaded.licence or None,
    }


def _report(request: Request, about: dict[str, Any]) -> None:
    folded = about["folded_parameters"]
    rows = {
        "written": str(request.file),
        "description": f"{request.about}: class names, and how frames are chosen, resized and cropped",
        "input": f"{about['input']['name']} {about['input']['shape']} uint8",
        "output": f"{about['output']['name']} {about['output']['shape']} float32",
        "folded": f"{folded:,} parameters of adapters, into the encoder's matrices" if folded else "nothing",
        "checked": f"batches of {' and '.join(map(str, BATCHES))}: off by at most {about['largest_difference']:.1g}",
    }
    summary("exported", rows)
