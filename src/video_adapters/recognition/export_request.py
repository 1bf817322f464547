"""Request of an export: which checkpoint, in which format and precision, held to which accuracy, and where it goes."""

from dataclasses import dataclass
from pathlib import Path

from video_adapters.recognition.export_formats import PRECISIONS, SUFFIXES, check_packages
from video_adapters.trust.shared_folder import HUB


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be exported, and where it goes.

    Raises:
        ValueError: for an unknown format, a precision that it does not have, packages that it needs and that are not
            there, impossible numbers, files in the way, and endings of names that are taken.
    """

    checkpoint: Path
    format: str  # one of SUFFIXES
    precision: str = "fp32"  # of the encoder's products: fp32, fp16 or int8
    out: Path | None = None  # None: beside the checkpoint, by its name
    weights: Path | None = None  # of the frozen encoder; None: where the checkpoint remembers them
    data: Path | None = None  # folder of the data set that fp16 and int8 are scored on; None: where it was in training
    max_loss: float = 1.0  # most points of validation's accuracy that fp16 and int8 may lose
    videos: int = 1000  # validation videos that this is measured on, at most
    calibration: int = 128  # validation videos that the ranges of int8 are measured on, at least one of each class
    logits: bool = False  # instead of probabilities
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.format not in SUFFIXES:
            raise ValueError(f"the format is '{self.format}', expected one of: {', '.join(SUFFIXES)}")
        if self.precision not in (precisions := PRECISIONS[self.format]):
            raise ValueError(
                f"the precision of --format {self.format} is '{self.precision}', expected one of: "
                f"{', '.join(precisions)}"
            )
        if self.precision == "fp32" and self.data is not None:
            raise ValueError("--data is for fp16 and int8: in fp32 the values themselves are compared, without videos")
        if not self.max_loss >= 0:
            raise ValueError(f"--max-loss is {self.max_loss}, expected points of accuracy, at least 0")
        for option, count in {"--videos": self.videos, "--calibration": self.calibration}.items():
            if count < 1:
                raise ValueError(f"{option} is {count}, expected at least 1")
        check_packages(self.format)
        self._check_names()

    def _check_names(self) -> None:
        if self.file == self.about:
            raise ValueError(f"--out is {self.file}, but .json is the description's: expected another ending")
        if self.format == "openvino" and self.file.suffix != ".xml":
            raise ValueError(f"--out is {self.file}, but OpenVINO's format is told by its ending: expected .xml")
        weights = [self.file.with_suffix(".bin")] if self.format == "openvino" else []
        for path in (self.file, self.about, *weights):
            if path.exists() and not self.overwrite:
                raise ValueError(f"{path} exists already: choose another --out, or say --overwrite")

    @property
    def file(self) -> Path:
        """Where the exported network goes: of a model of the hub, into the current folder."""
        beside = Path(self.checkpoint.name) if str(self.checkpoint).startswith(HUB) else self.checkpoint
        stem = beside.stem if beside.suffix == ".ckpt" else beside.resolve().name  # names of models may have dots
        precision = "" if self.precision == "fp32" else f".{self.precision}"
        return self.out or beside.parent / f"{stem}{precision}{SUFFIXES[self.format]}"

    @property
    def about(self) -> Path:
        """Where a description of its input and output goes."""
        return self.file.with_suffix(".json")

    @property
    def kind(self) -> str:
        """Such as: onnx in int8."""
        return f"{self.format} in {self.precision}"

    @property
    def names(self) -> tuple[str, str]:
        """Of input and output."""
        return "clips", "logits" if self.logits else "probabilities"
