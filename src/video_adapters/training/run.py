"""One training run, from its config to its scores."""

import logging
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import lightning as L
import torch
import wandb
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from video_adapters.commands.config import is_sweep
from video_adapters.commands.grammar import key_of
from video_adapters.commands.lock import LOCK
from video_adapters.commands.signals import interruptible
from video_adapters.commands.terminal import summary
from video_adapters.commands.wording import counted
from video_adapters.data.datamodule import VideoData
from video_adapters.data.from_config import build_data, with_classes_counted
from video_adapters.model import checkpoint
from video_adapters.model.build import begin_head, build_classifier
from video_adapters.model.hardware import computing_with
from video_adapters.model.licences import terms
from video_adapters.training.accuracy import accuracies, told_part
from video_adapters.training.beginning import Beginning, has_start
from video_adapters.training.callbacks.predictions import Predictions
from video_adapters.training.callbacks.speed import peak_memory
from video_adapters.training.loggers import expect_packages, wandb_run
from video_adapters.training.mlflow_logger import Mlflow
from video_adapters.training.module import ActionModule
from video_adapters.training.planning.plan import planned
from video_adapters.training.processes import ending_others
from video_adapters.training.record import (
    going_on,
    held,
    new_record,
    note_finish,
    refuse_another,
    resumed,
    state_before_end,
    write_record,
)
from video_adapters.training.solution import Solution, monitor_of
from video_adapters.training.stored_features import of_this_place, read_from_store
from video_adapters.training.trainer import build_module, build_trainer, refuse_sweep_over_processes, validates_early
from video_adapters.trust import checkpoint_file
from video_adapters.trust.checkpoint_file import LAST

log = logging.getLogger(__name__)


@interruptible()
def train(cfg: DictConfig, overrides: list[str], solution: Solution | None = None) -> dict[str, float]:
    """Trains by a composed `configs/train.yaml`, tests the best checkpoint, and says where everything is.

    With a `solution` nothing is left to train; `cfg.probe` looks for one.

    Returns: the best figure of validation, such as val/top1, and the test's scores, as fractions.

    Raises:
        ValueError: for whatever in config, data or weights stands in the way, before anything is trained.
    """
    if cfg.get("probe") and not cfg.resume:
        from video_adapters.training.probing_run import probe  # here: no other run waits for scikit-learn

        return probe(cfg, overrides)
    folder = Path(cfg.run_dir)
    with ExitStack() as stack:
        hold = cache(lambda: stack.enter_context(held(folder)))  # once
        if cfg.resume or (folder / LOCK).exists():
            hold()
        if not cfg.resume:
            refuse_another(folder)
        return _train(cfg, overrides, folder, hold, solution)


def _train(
    cfg: DictConfig, overrides: list[str], folder: Path, hold: Callable[[], None], solution: Solution | None
) -> dict[str, float]:
    root = cfg.data.get("root") if not cfg.resume or "data.root" in map(key_of, overrides) else None  # the user's word
    state = None
    if cfg.resume:
        cfg, overrides, state = _going_on(cfg, overrides)
    else:
        cfg = planned(with_classes_counted(cfg))
    if cfg.seed < 0:
        raise ValueError(f"seed is {cfg.seed}, expected at least 0")
    expect_packages(cfg.logger)
    L.seed_everything(cfg.seed, workers=False, verbose=False)
    data = build_data(cfg, render=cfg.data.root == root)
    counts = {use: len(data.videos(use)) for use in ("train", "val", "test")}
    module = _module(cfg, data, solution)
    record = new_record(folder, cfg, overrides, module.classifier, solution.choices if solution else {})

    def begin(trainer: L.Trainer) -> None:
        if state is None:
            hold()
            refuse_another(folder)
        write_record(folder, cfg, record)
        trainer.loggers = [instantiate(entry, **_identity(entry, record)) for entry in cfg.logger.values() if entry]
        _announce(cfg, record, data, trainer, counts)
        for logger in trainer.loggers:
            logger.log_hyperparams(_logged_config(cfg, module, record))
        if wandb.run is not None and not wandb.run.offline:
            log.info("W&B: %s", wandb.run.url)

    beginning = Beginning(begin, validates=state is None and has_start(cfg, module))
    with going_on(folder), wandb_run():
        callbacks = [beginning, *(instantiate(entry) for entry in cfg.callbacks.values() if entry)]
        trainer = build_trainer(cfg, callbacks if solution is None else [*callbacks, solution])
        refuse_sweep_over_processes(trainer, is_sweep())
        trainer.accumulate_grad_batches = data.split_for(trainer.world_size).accumulation
        data.check_room(tuple(counts), trainer.world_size, trainer.num_devices, validates_early(trainer))
        with ending_others(trainer), computing_with(cfg.get("threads")):  # which runs of before have not
            _fit(trainer, module, data, state, beginning)
            best = _best_score(trainer, data) if solution is None else solution.keep(trainer)
            scores = best | (_test(trainer, module, data) if cfg.test else {})
            _report(trainer, data, folder, record, scores)
    return scores


def _going_on(cfg: DictConfig, overrides: list[str]) -> tuple[DictConfig, list[str], Path]:
    """The config of the run that goes on, with what was planned for it then; what was changed so far; its state."""
    own, overrides = resumed(cfg, overrides)
    return of_this_place(own, cfg.features), overrides, state_before_end(own)


def _module(cfg: DictConfig, data: VideoData, solution: Solution | None) -> ActionModule:
    """The network as the run starts with it, but for the state of one that goes on."""
    module = build_module(cfg, build_classifier(cfg), data)
    if not cfg.resume:
        begin_head(cfg, module.classifier.head, data.class_names)
        _start_from(cfg.init_from, cfg.resize_time, module)
    if solution is not None:
        module.classifier.head.load_state_dict(solution.head)
    module.reads_features = read_from_store(cfg, module.classifier, data)
    return module


def _start_from(path: str | None, resize_time: bool, module: ActionModule) -> None:
    if not path:
        if resize_time:
            raise ValueError("resize_time=true resizes a checkpoint's weights over time: say which by init_from=PATH")
        return
    loaded = checkpoint_file.read(path)
    taken = checkpoint.load_start(module.classifier, module.origin, loaded, over_time=resize_time)
    if not taken.adapters:
        log.info("starting from the head of %s, which has no adapters: those of here begin anew", path)
    elif taken.head:
        log.info("starting from the adapters and the head of %s", path)
    else:
        there, here = len(checkpoint.origin(loaded).class_names), len(module.origin.class_names)
        log.info(
            "starting from the adapters of %s; its classes (%d) are others than here (%d): new head", path, there, here
        )


def _identity(entry: DictConfig, record: dict[str, Any]) -> dict[str, Any]:
    """W&B and MLflow continue under the id that the run was started with; jobs of a sweep are a group."""
    if not entry["_target_"].endswith(("wandb_logger", "mlflow_logger")):
        return {}
    choices = record["choices"]
    groups = ("experiment", "data", "model", "adapter", "hparams_search")
    tags = {name: choices[name] for name in groups if name in choices}
    swept = is_sweep()
    group = f"{Path(HydraConfig.get().sweep.dir).name}, {choices.get('hparams_search', 'sweep')}" if swept else None
    if entry["_target_"].endswith("mlflow_logger"):
        return {"id": record["wandb_id"], "tags": tags | ({"sweep": group} if group else {})}
    return {"id": record["wandb_id"], "resume": "allow", "tags": list(dict.fromkeys(tags.values())), "group": group}


@rank_zero_only
def _announce(
    cfg: DictConfig, record: dict[str, Any], data: VideoData, trainer: L.Trainer, counts: dict[str, int]
) -> None:
    """Prints what is about to run."""
    split = data.split_for(trainer.world_size)
    total, trainable = record["parameters"] / 1e6, record["trainable_parameters"] / 1e6
    devices, clips = counted(trainer.world_size, "device"), counted(split.clips, "clip")
    shares = f"{devices} x {clips} x {split.accumulation} accumulated"
    summary(
        cfg.name,
        {
            "model": f"{cfg.model.encoder.model_name}, {total:.3f} M parameters, {trainable:.3f} M train",
            "data": f"{counts['train']} training, {counts['val']} validation, {counted(counts['test'], 'test video')}"
            + ("" if data.tested_as() == "test" else f" (the test's are those of '{data.splits['test']}' again)"),
            "clip": f"{counted(data.num_frames, 'frame')} of {data.image_size}x{data.image_size}",
            "step": f"{counted(data.per_step, 'clip')} = {shares}",
            **({"features": _told_features(cfg)} if data.sources else {}),
            "device": f"{type(trainer.accelerator).__name__} x {trainer.world_size}, {trainer.precision}",
            **({"licence": told} if (told := terms(record["encoder_licence"])) else {}),
            "folder": str(cfg.run_dir),
        },
    )


def _told_features(cfg: DictConfig) -> str:
    """Where what the head reads lies, and of which clips it is."""
    views = cfg.features.views
    clips = "the middle clip" if views is None else counted(views, "random clip")
    return f"kept in {cfg.features.root}, of {clips} of each training video (features.use=false: anew in every epoch)"


def _logged_config(cfg: DictConfig, module: ActionModule, record: dict[str, Any]) -> dict[str, Any]:
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    return config | record | {"torch": torch.__version__, "encoder_fingerprint": module.origin.encoder}


def _fit(trainer: Any, module: ActionModule, data: VideoData, state: Path | None, beginning: Beginning) -> None:
    """Trains, from a state that was saved if there is one; without any epoch the weights are the best as they stand."""
    beginning.validate(trainer, module, data)
    if trainer.max_epochs == 0:  # of class names, or of a starting point
        beginning.begin(trainer)
        log.info("nothing is trained, so there is no last.ckpt to go on from: init_from=.../best.ckpt starts from here")
        return
    trainer.fit(module, datamodule=data, ckpt_path=None if state is None else str(state), weights_only=True)
    beginning.begin(trainer)  # where nothing was left to train


def _test(trainer: Any, module: ActionModule, data: VideoData) -> dict[str, float]:
    """Scores the best checkpoint or, when nothing was validated, the weights as they are."""
    best = _best(trainer)
    if best:
        module.load_trained(checkpoint_file.read(best))
    module.tested_as = data.tested_as(chosen=bool(best) or _stopping_has_looked(trainer))
    for callback in trainer.callbacks:
        if isinstance(callback, Predictions) and callback.folder.name == "test":
            callback.folder = callback.folder.with_name(module.tested_as)
    trainer.test(module, datamodule=data, verbose=False)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def _stopping_has_looked(trainer: Any) -> bool:
    """Whether early stopping, if there is any, has seen a score: a run may end before its first validation."""
    return any(bool(torch.isfinite(stopper.best_score)) for stopper in trainer.early_stopping_callbacks)


def _best(trainer: L.Trainer) -> str:
    keeper = trainer.checkpoint_callback
    return keeper.best_model_path if isinstance(keeper, ModelCheckpoint) else ""


def _best_score(trainer: L.Trainer, data: VideoData) -> dict[str, float]:
    keeper = trainer.checkpoint_callback
    score = keeper.best_model_score if isinstance(keeper, ModelCheckpoint) else None
    return {} if score is None else {monitor_of(trainer): float(score), "val/videos": float(len(data.videos("val")))}


def _outcome(trainer: L.Trainer, scores: dict[str, float]) -> dict[str, float]:
    """What a finished run is compared by: the best figure of validation, of so many videos, and the test's figures."""
    best = (monitor_of(trainer), "val/videos")
    return {name: value for name, value in scores.items() if name in best or "test/" in name}


@rank_zero_only
def _report(trainer: Any, data: VideoData, folder: Path, record: dict[str, Any], scores: dict[str, float]) -> None:
    """Prints the scores, where everything is, and what to type next; notes that the run has finished."""
    note_finish(folder, record | {"peak_memory_gib": round(peak_memory() / 2**30, 3)}, _outcome(trainer, scores))
    best = _best(trainer) or str(folder / "checkpoints" / LAST)
    name = trainer.lightning_module.tested_as
    rows = accuracies(_outcome(trainer, scores), "val/") | accuracies(scores, f"{name}/")
    if f"{name}/videos" in scores:
        rows |= told_part(data, name)
    stopper = trainer.early_stopping_callback
    if stopper is not None and stopper.stopped_epoch:
        rows["stopped early"] = (
            f"after epoch {stopper.stopped_epoch + 1} of {trainer.max_epochs}: {stopper.monitor} was no better "
            f"{counted(stopper.patience, 'time')} in a row"
        )
    rows |= {"checkpoint": best, "figures": str(folder / "metrics.csv")}
    lists = {"replaced in training": "broken_videos.txt", "unread in the test": "unread_tests.txt"}
    rows |= {name: str(folder / file) for name, file in lists.items() if (folder / file).exists()}
    if wandb.run is not None:
        rows["W&B"] = f"wandb sync {Path(wandb.run.dir).parent}" if wandb.run.offline else str(wandb.run.url)
    if any(isinstance(logger, TensorBoardLogger) for logger in trainer.loggers):
        rows["TensorBoard"] = f"tensorboard --logdir {folder / 'tensorboard'}"
    for logger in trainer.loggers:
        if isinstance(logger, Mlflow):
            rows["MLflow"] = logger.where
    rows["evaluate"] = f"python src/eval.py checkpoint={best}"
    summary("done", rows)
