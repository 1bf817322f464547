"""Sharing a checkpoint: as a folder, or as a repository of the Hugging Face hub."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError
from omegaconf import OmegaConf
from safetensors.torch import save
from torch import Tensor

from video_adapters.commands.outputs import check_folder
from video_adapters.commands.terminal import summary
from video_adapters.model import checkpoint
from video_adapters.model.encoders.pretrained import find_file
from video_adapters.model.encoders.weights import hub_answers
from video_adapters.recognition.agreement import TOLERANCE, difference, noise
from video_adapters.recognition.load import Loaded, load
from video_adapters.recognition.model_card import Facts, card, is_ours
from video_adapters.recognition.recorded_scores import recorded_scores
from video_adapters.trust import checkpoint_file
from video_adapters.trust.shared_folder import CARD, CONFIG, FROZEN, HUB, LEARNED, NAME, SUMS, checksum

FILES = (LEARNED, FROZEN, CARD, CONFIG)  # CONFIG last: until it is there, what was before is refused by its checksums
KEPT = (
    "adapter", "batch", "data", "head", "loss", "memory", "model", "name", "optim", "schedule", "seed", "trainer",
)  # fmt: skip
"""Of a run's config: what rebuilds the network and scores it. Where the run wrote and what it logged to stays here."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be shared, and where.

    Raises:
        ValueError: for a repository's name that none can have, and a folder that holds something.
    """

    checkpoint: Path
    to: str  # user/name or hf:user/name, else a folder: see `repository`
    weights: Path | None = None  # of the frozen encoder; None: where the checkpoint remembers them
    encoder: bool = False  # puts the frozen encoder inside
    public: bool = False  # a new repository of the hub is one's own alone otherwise
    license: str | None = None  # of what was trained, by the hub's name for it
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.repository is None and self.folder.exists():
            if not self.folder.is_dir():
                raise ValueError(f"--to {self.to} is a file, expected a folder, or user/name on the hub")
            if any(self.folder.iterdir()) and not self.overwrite:
                raise ValueError(f"--to {self.to} is a folder that holds something: choose another, or say --overwrite")

    @property
    def repository(self) -> str | None:
        """The name on the hub that `to` is; None where it is a folder.

        `hf:user/name` always is one; so is `user/name`, unless there is such a folder. Whatever else is a folder: with
        no slash or several, or beginning with a dot, a slash or a tilde.
        """
        name = self.to.removeprefix(HUB)
        if NAME.fullmatch(name) and (name != self.to or not Path(name).exists()):
            return name
        if name != self.to:
            raise ValueError(f"--to {self.to} is no name of a model on the hub, expected {HUB}user/name")
        return None

    @property
    def folder(self) -> Path:
        """The folder that `to` is."""
        return Path(self.to).expanduser()


def request_of(words: Mapping[str, Any]) -> Request:
    """The request of a command line that has options of other formats too.

    Raises:
        ValueError: one of these was given, or there is no --to; and as `Request`.
    """
    names = [one.name for one in fields(Request)]
    given = [name for name, value in words.items() if value is not None and value is not False]
    if other := [name for name in given if name not in (*names, "format")]:
        raise ValueError(f"--{other[0].replace('_', '-')} does not go with --format hub, which writes no single file")
    if not words["to"]:
        raise ValueError("--format hub needs --to: user/name on the Hugging Face hub, or a folder")
    return Request(**{name: words[name] for name in names})


def share(request: Request) -> None:
    """Writes a checkpoint as others can use it: to a folder, or to the hub.

    What was written is loaded again, and has to give what the checkpoint gives, before it gets its place.

    Raises:
        ValueError: for what `load` refuses, a place that cannot be written to, a hub that cannot be reached or refuses.
    """
    if request.repository is None:
        check_folder(request.folder, "--to")
    else:
        _expect_hub(request.repository, request.overwrite)
    inside = None if request.repository else request.folder
    with tempfile.TemporaryDirectory(dir=inside, prefix=".share") as temporary:
        folder = Path(temporary)
        rows = write_folder(request, folder)
        if request.repository is not None:
            rows["to"] = _upload(request, request.repository, folder)
        else:
            for name in FILES:
                _place(folder / name, request.folder / name)
    summary("shared", rows)


def write_folder(request: Request, folder: Path) -> dict[str, str]:
    """Writes the files into an empty folder.

    Returns: what is to be said of it.

    Raises:
        ValueError: for what `load` refuses, and where the files do not give what the checkpoint gives.
    """
    content = checkpoint_file.read(request.checkpoint)
    loaded = load(request.checkpoint, request.weights)
    classifier = loaded.classifier
    parts = {LEARNED: classifier.learned()}
    if request.encoder:
        parts[FROZEN] = checkpoint.frozen_weights(classifier)
    for name, tensors in parts.items():
        _save({key: value.detach() for key, value in tensors.items()}, folder / name)
    origin = checkpoint.origin(content)
    config = shared_config(loaded, request.encoder)
    sums = {name: checksum(folder / name) for name in parts}
    about = origin.as_dict() | {"config": config, "licence": loaded.licence, SUMS: sums}
    (folder / CONFIG).write_text(json.dumps(about, indent=1) + "\n")
    facts = _facts(request, loaded, origin, config)
    (folder / CARD).write_text(card(facts), encoding="utf-8")
    _check(loaded, folder, request.encoder)
    return _rows(request, facts, folder)


def shared_config(loaded: Loaded, encoder_inside: bool) -> dict[str, Any]:
    """The config of a checkpoint without what is of this machine alone: of paths the last part stays."""
    whole: Any = OmegaConf.to_container(loaded.cfg, resolve=True)
    config: dict[str, Any] = _without_paths({name: whole[name] for name in KEPT if name in whole})
    model, weights = config["model"], whole["model"].get("weights")
    model.pop("cached_only", None)  # what reading adds
    if weights and is_ours(weights):
        model["weights"] = weights
    if encoder_inside and model["encoder"]["_target_"] == "timm.create_model":  # which knows them by the tag alone
        mean, std = (list(getattr(loaded.classifier.backbone.encoder, name)) for name in ("mean", "std"))
        overlay = model["encoder"].get("pretrained_cfg_overlay") or {}
        model["encoder"]["pretrained_cfg_overlay"] = {**overlay, "mean": mean, "std": std}
    config["data"]["root"], config["data"]["report"] = "???", None  # Hydra's word for what has to be given
    config["trainer"]["default_root_dir"] = config["run_dir"] = "."
    return config


def _without_paths(value: Any) -> Any:
    """A config in which absolute paths, and those that climb, are but their last part."""
    if isinstance(value, dict):
        return {name: _without_paths(child) for name, child in value.items()}
    if isinstance(value, list):
        return [_without_paths(child) for child in value]
    if isinstance(value, str) and (value.startswith(("/", "~")) or ".." in value.split("/")):
        return Path(value).name
    return value


def _save(tensors: dict[str, Tensor], file: Path) -> None:
    """Copies, since some share their memory."""
    file.write_bytes(save({name: value.contiguous().clone() for name, value in tensors.items()}, {"format": "pt"}))


def _facts(request: Request, loaded: Loaded, origin: checkpoint.Origin, config: dict[str, Any]) -> Facts:
    classifier, name = loaded.classifier, request.repository
    return Facts(
        title=name.partition("/")[2] if name else request.folder.resolve().name,
        source=name or ".",
        cfg=OmegaConf.create(config),
        class_names=origin.class_names,
        thresholds=loaded.thresholds,
        learned=sum(value.numel() for value in classifier.learned().values()),
        whole=sum(value.numel() for value in classifier.parameters()),
        fingerprint=origin.encoder,
        encoder_inside=request.encoder or checkpoint.holds_everything(classifier, {"state_dict": classifier.learned()}),
        encoder_licence=loaded.licence,
        licence=request.license,
        scores=recorded_scores(request.checkpoint),
    )


@torch.no_grad()
def _check(loaded: Loaded, folder: Path, encoder_inside: bool) -> None:
    """Refuses files that give something else than the checkpoint does."""
    weights = loaded.cfg.model.get("weights")
    again = load(folder, None if encoder_inside or not weights else find_file(weights))
    clips = noise(loaded.classifier.backbone, 2)
    off = difference(loaded.classifier(clips), again.classifier(clips))
    if not off <= TOLERANCE:
        raise ValueError(
            f"what was written gives values that are off by {off:.2g} of the checkpoint's largest: nothing was shared"
            + ("; without --encoder, its library brings the encoder as it was" if encoder_inside else "")
        )


def _place(part: Path, path: Path) -> None:
    """Puts a file into its folder; one that is no longer of the model goes."""
    if part.exists():
        shutil.move(part, path)
    else:
        path.unlink(missing_ok=True)


def _rows(request: Request, facts: Facts, folder: Path) -> dict[str, str]:
    sizes = {name: (folder / name).stat().st_size for name in FILES if (folder / name).exists()}
    weights = facts.cfg.model.get("weights")
    outside = f"not inside: {weights}" if weights else "not inside: random weights, by a seed"
    if weights and Path(weights).suffix and not is_ours(weights):
        outside += ", a file that others may lack (--encoder puts it inside)"
    return {
        "to": request.repository or str(request.folder),
        "files": ", ".join(f"{name} ({size / 1e6:.3g} MB)" for name, size in sizes.items()),
        "encoder": "inside" if facts.encoder_inside else outside,
        "scores": f"those of the run's {facts.scores.part}" if facts.scores else "none is recorded beside it",
        "licence": request.license or "none is stated (--license ID)",
        "read by": f"Recognizer.from_pretrained('{request.repository or request.folder}'), and the commands",
    }


def _expect_hub(name: str, overwrite: bool) -> None:
    """Refuses what the hub is known to refuse, before anything is loaded."""
    elsewhere = "--to FOLDER writes the same files without it"
    if get_token() is None:
        raise ValueError(f"there is no token of the hub on this machine (hf auth login, or HF_TOKEN=...); {elsewhere}")
    if not hub_answers():
        raise ValueError(f"{HfApi().endpoint} cannot be reached; {elsewhere}")
    with _refusals(name):
        exists = HfApi().repo_exists(name)
    if exists and not overwrite:
        raise ValueError(f"{HUB}{name} exists already: choose another name, or say --overwrite")


def _upload(request: Request, name: str, folder: Path) -> str:
    """Puts the files into a repository, which is made where there is none: its address, and who sees it.

    One that exists stays as public or private as it is, and has to be what was asked for.
    """
    api = HfApi()
    with _refusals(name):
        made = api.create_repo(name, private=not request.public, exist_ok=request.overwrite)
        private = bool(api.model_info(name).private)
        if private == request.public:
            stands, remedy = ("private", "leave --public out") if private else ("public", "say --public")
            raise ValueError(f"{HUB}{name} exists and is {stands}, which uploading does not change: {remedy}")
        message = "Upload a model of video-adapters"
        api.upload_folder(repo_id=name, folder_path=folder, commit_message=message, delete_patterns=[FROZEN])
    return f"{made}{' (yours alone)' if private else ''}"


@contextmanager
def _refusals(name: str) -> Iterator[None]:
    """What the hub says against a request, as a ValueError."""
    try:
        yield
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else None
        why = "its token may not write there" if status in (401, 403) else " ".join(str(error).split())[:300]
        raise ValueError(f"{HUB}{name}: the hub refuses ({status}): {why}") from error
    except ValueError:  # in words already
        raise
    except Exception as error:  # the connection broke; which classes depends on the client's version
        raise ValueError(f"{HUB}{name}: the connection to the hub broke: {error}") from error
