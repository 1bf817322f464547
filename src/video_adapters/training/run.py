"""One training run, from its config to its scores."""

import json
import logging
import secrets
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import lightning as L
import torch
import wandb
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from hydra.utils import instantiate
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from video_adapters.data.datamodule import VideoData
from video_adapters.model.encoders.pretrained import PROJECT
from video_adapters.training import checkpoint
from video_adapters.training.build import (
    build_classifier,
    build_data,
    build_module,
    build_trainer,
    refuse_sweep_over_processes,
)
from video_adapters.training.module import ActionModule
from video_adapters.training.progress import summary

log = logging.getLogger(__name__)


def train(cfg: DictConfig, overrides: list[str]) -> dict[str, float]:
    """Trains, tests the best checkpoint, and says where everything is.

    Args:
        cfg: composed from `configs/train.yaml`.
        overrides: what the command line changed.

    Returns: the best val/top1, and the test's scores, as fractions.

    Raises:
        ValueError: for whatever in config, data or weights stands in the way, before anything is trained.
    """
    folder = Path(cfg.run_dir)
    if cfg.resume:
        cfg, overrides = _resumed(cfg, overrides)
    if cfg.seed < 0:
        raise ValueError(f"seed is {cfg.seed}, expected at least 0")
    L.seed_everything(cfg.seed, workers=False, verbose=False)
    data = build_data(cfg)
    counts = {use: len(data.videos(use)) for use in ("train", "val", "test")}
    classifier = build_classifier(cfg)
    module = build_module(cfg, classifier, data)
    if cfg.init_from and not cfg.resume:
        _start_from(cfg.init_from, module)
    record = _record(folder, cfg, overrides, module)
    callbacks = [instantiate(c) for c in cfg.callbacks.values() if c]
    loggers = [instantiate(entry, **_identity(entry, record)) for entry in cfg.logger.values() if entry]
    trainer = build_trainer(cfg, callbacks, loggers)
    refuse_sweep_over_processes(trainer, HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN)
    trainer.accumulate_grad_batches = data.split_for(trainer.world_size).accumulation
    _announce(cfg, record, data, trainer, counts)
    last = folder / "checkpoints" / "last.ckpt"
    try:
        for logger in trainer.loggers:
            logger.log_hyperparams(_logged_config(cfg, module, record))
        if wandb.run is not None and not wandb.run.offline:
            log.info("W&B: %s", wandb.run.url)
        trainer.fit(module, datamodule=data, ckpt_path=str(last) if cfg.resume else None, weights_only=False)
        scores = _best_score(trainer) | (_test(trainer, module, data) if cfg.test else {})
        _report(trainer, folder, record, scores)
    finally:
        wandb.finish()  # however it ends, and before a sweep's next job
    return scores


def _resumed(cfg: DictConfig, overrides: list[str]) -> tuple[DictConfig, list[str]]:
    """The config of the run that goes on with what the command line changes in it, and all that was changed so far.

    Raises:
        ValueError: where there is no run to go on with, and for changes of whole config groups.
    """
    folder = Path(cfg.resume)
    for file in ("config.yaml", "checkpoints/last.ckpt"):
        if not (folder / file).is_file():
            raise ValueError(
                f"resume={cfg.resume}: there is no {file} in {folder.absolute()}; resume takes the folder of a run "
                "that has saved its state (one is saved after each epoch and every callbacks.last.every_n_steps steps)"
            )
    saved = OmegaConf.load(folder / "config.yaml")
    assert isinstance(saved, DictConfig)
    before = _by_key(json.loads((folder / "run.json").read_text())["overrides"])
    for key, override in _by_key(overrides).items():
        if override == before.get(key) or key in ("resume", "run_dir"):
            continue
        if OmegaConf.is_dict(OmegaConf.select(cfg, key)) or key in ("experiment", "debug", "hparams_search"):
            raise ValueError(
                f"resume={cfg.resume}: {override} would change the run that goes on; start a new one without resume=, "
                "or from the old one's adapters with init_from=PATH"
            )
        OmegaConf.update(saved, key, OmegaConf.select(cfg, key), force_add=override.startswith("+"))
    OmegaConf.update(saved, "resume", cfg.resume)
    OmegaConf.update(saved, "run_dir", cfg.run_dir)
    return saved, list((before | _by_key(overrides)).values())


def _by_key(overrides: list[str]) -> dict[str, str]:
    """Overrides by the key that they change; the last one counts, as in Hydra."""
    return {override.split("=", 1)[0].lstrip("+~"): override for override in overrides}


def _start_from(path: str, module: ActionModule) -> None:
    loaded = checkpoint.read(path)
    if checkpoint.load_adapters(module.classifier, module.origin, loaded):
        log.info("starting from the adapters and the head of %s", path)
    else:
        there, here = len(checkpoint.origin(loaded).class_names), len(module.origin.class_names)
        log.info(
            "starting from the adapters of %s; its classes (%d) are others than here (%d): new head", path, there, here
        )


def _record(folder: Path, cfg: DictConfig, overrides: list[str], module: ActionModule) -> dict[str, Any]:
    """What identifies the run, beside the config in its folder: written by the first start, read later."""
    path = folder / "run.json"
    before = json.loads(path.read_text()) if cfg.resume else {}
    record = {
        "wandb_id": secrets.token_hex(4),
        "overrides": overrides,
        "command": " ".join(sys.argv),
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "git_commit": _git_commit(),
        "choices": _choices(),
        "parameters": sum(p.numel() for p in module.classifier.parameters()),
        "trainable_parameters": sum(p.numel() for p in module.classifier.trainable().values()),
    }
    record |= {key: value for key, value in before.items() if key != "overrides"}
    _write_record(path, record, cfg)
    return record


@rank_zero_only
def _write_record(path: Path, record: dict[str, Any], cfg: DictConfig) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=2) + "\n")
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    OmegaConf.save(_movable(config, str(cfg.run_dir)), path.parent / "config.yaml")


def _movable(config: Any, run_dir: str) -> Any:
    """A resolved config in which the run's folder is named once, so that the folder can be moved."""
    if isinstance(config, dict):
        return {key: value if key == "run_dir" else _movable(value, run_dir) for key, value in config.items()}
    return config.replace(run_dir, "${run_dir}") if isinstance(config, str) else config


def _identity(entry: DictConfig, record: dict[str, Any]) -> dict[str, Any]:
    """A W&B logger continues under the id that the run was started with."""
    return {"id": record["wandb_id"], "resume": "allow"} if "wandb" in entry["_target_"] else {}


def _choices() -> dict[str, str]:
    """The config groups' choices, such as adapter: none, where Hydra composed them."""
    choices = dict(HydraConfig.get().runtime.choices) if HydraConfig.initialized() else {}
    return {group: name for group, name in choices.items() if name and "hydra" not in group}


def _git_commit() -> str | None:
    """The commit that runs, with a plus sign when the checkout differs from it; None outside a checkout."""
    command = ["git", "-C", str(PROJECT), "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


@rank_zero_only
def _announce(
    cfg: DictConfig, record: dict[str, Any], data: VideoData, trainer: L.Trainer, counts: dict[str, int]
) -> None:
    """Prints what is about to run."""
    split = data.split_for(trainer.world_size)
    total, trainable = record["parameters"] / 1e6, record["trainable_parameters"] / 1e6
    shares = f"{trainer.world_size} device(s) x {split.clips} clips x {split.accumulation} accumulated"
    summary(
        cfg.name,
        {
            "model": f"{cfg.model.encoder.model_name}, {total:.3f} M parameters, {trainable:.3f} M train",
            "data": f"{counts['train']} training, {counts['val']} validation, {counts['test']} test videos",
            "clip": f"{data.num_frames} frames of {data.image_size}x{data.image_size}",
            "step": f"{data.per_step} clips = {shares}",
            "device": f"{type(trainer.accelerator).__name__} x {trainer.world_size}, {trainer.precision}",
            "folder": str(cfg.run_dir),
        },
    )


def _logged_config(cfg: DictConfig, module: ActionModule, record: dict[str, Any]) -> dict[str, Any]:
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    return config | record | {"torch": torch.__version__, "encoder_fingerprint": module.origin.encoder}


def _test(trainer: L.Trainer, module: ActionModule, data: VideoData) -> dict[str, float]:
    """Scores the best checkpoint or, when nothing was validated, the weights as they are."""
    best = _best(trainer)
    if best:
        checkpoint.load_trained(module.classifier, module.origin, checkpoint.read(best))
    trainer.test(module, datamodule=data, verbose=False)
    return _scores(trainer)


def _best(trainer: L.Trainer) -> str:
    keeper = trainer.checkpoint_callback
    return keeper.best_model_path if isinstance(keeper, ModelCheckpoint) else ""


def _best_score(trainer: L.Trainer) -> dict[str, float]:
    keeper = trainer.checkpoint_callback
    score = keeper.best_model_score if isinstance(keeper, ModelCheckpoint) else None
    return {} if score is None else {"val/top1": float(score)}


def _scores(trainer: L.Trainer) -> dict[str, float]:
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


@rank_zero_only
def _report(trainer: L.Trainer, folder: Path, record: dict[str, Any], scores: dict[str, float]) -> None:
    """Prints the scores, where everything is, and what to type next; notes that the run has finished."""
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    (folder / "run.json").write_text(json.dumps(record | {"finished": now}, indent=2) + "\n")
    best = _best(trainer) or str(folder / "checkpoints" / "last.ckpt")
    rows = {
        str(name): f"{scores[name]:.1%}" for name in ("test/top1", "test/top5", "test/mean_class") if name in scores
    }
    rows |= {"checkpoint": best, "figures": str(folder / "metrics.csv")}
    lists = {"replaced in training": "broken_videos.txt", "unread in the test": "unread_tests.txt"}
    rows |= {name: str(folder / file) for name, file in lists.items() if (folder / file).exists()}
    if wandb.run is not None:
        rows["W&B"] = f"wandb sync {Path(wandb.run.dir).parent}" if wandb.run.offline else str(wandb.run.url)
    rows["evaluate"] = f"python src/eval.py checkpoint={best}"
    summary("done", rows)
