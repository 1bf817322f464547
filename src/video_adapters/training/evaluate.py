"""Scores a checkpoint by the protocol that its config states."""

import logging
from pathlib import Path

import lightning as L
from hydra.utils import instantiate
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from video_adapters.commands.signals import interruptible
from video_adapters.commands.terminal import summary
from video_adapters.commands.wording import counted
from video_adapters.data.datamodule import VideoData
from video_adapters.data.from_config import build_data
from video_adapters.model import checkpoint
from video_adapters.model.build import build_for
from video_adapters.model.licences import terms
from video_adapters.training.accuracy import accuracies, told_part
from video_adapters.training.callbacks.broken_videos import UnreadTests
from video_adapters.training.callbacks.predictions import Predictions
from video_adapters.training.callbacks.resized_videos import ResizedVideos
from video_adapters.training.loggers import expect_packages, wandb_run
from video_adapters.training.problems import told_together
from video_adapters.training.processes import ending_others
from video_adapters.training.trainer import build_module, build_trainer
from video_adapters.trust import checkpoint_file
from video_adapters.trust.overrides import with_overrides

log = logging.getLogger(__name__)


def evaluate_or_tell(cfg: DictConfig) -> dict[str, float]:
    """`evaluate`, whose refusal names all that one knows to be wrong."""
    with told_together(cfg, evaluated=True):
        return evaluate(cfg)


@interruptible()
def evaluate(cfg: DictConfig) -> dict[str, float]:
    """Tests a checkpoint's model, rebuilt from its own config with what is not null in a composed `configs/eval.yaml`.

    Returns: the scores, as fractions, and the numbers of videos.

    Raises:
        ValueError: for a missing or foreign checkpoint, weights that have moved, missing data.
    """
    if not cfg.checkpoint:
        raise ValueError("give checkpoint=PATH: the file of a run, such as RUN/checkpoints/best.ckpt")
    expect_packages(cfg.logger)
    loaded = checkpoint_file.read(cfg.checkpoint)
    if not checkpoint.origin(loaded).class_names:
        raise ValueError(f"{cfg.checkpoint} was imported without a head and cannot be scored; init_from= starts a run")
    merged = with_overrides(checkpoint.origin(loaded).config, cfg, cfg.checkpoint)
    merged.trainer.default_root_dir = merged.run_dir = cfg.run_dir
    L.seed_everything(merged.seed, workers=False, verbose=False)
    data = build_data(merged, render=bool(cfg.data.root))
    data.reports["test"] = OmegaConf.select(cfg, "data.report")
    data.videos("test")  # what is missing shows before the encoder is loaded
    classifier = build_for(loaded, merged)
    module = build_module(merged, classifier, data, trains=False)
    checkpoint.check_same_classes(module.origin, loaded, data.root)
    module.load_trained(loaded)
    if told := terms(checkpoint.origin(loaded).licence or module.origin.licence):
        rank_zero_only(log.warning)(told)
    stopped = any("EarlyStopping" in key for key in loaded.get("callbacks", {}))
    module.tested_as = data.tested_as(chosen=stopped or "optimizer_states" not in loaded)  # else it is just the last
    folder = Path(cfg.run_dir)
    callbacks = [UnreadTests(str(folder / "unread_tests.txt")), ResizedVideos(), Predictions(str(folder))]
    with wandb_run():
        loggers = [instantiate(entry) for entry in cfg.logger.values() if entry]
        trainer = build_trainer(merged, callbacks, loggers)
        data.check_room(("test",), trainer.world_size, trainer.num_devices)
        for logger in trainer.loggers:
            logger.log_hyperparams({"checkpoint": str(cfg.checkpoint), **module.origin.config})
        with ending_others(trainer):
            trainer.test(module, datamodule=data, verbose=False)
    scores = {name: float(value) for name, value in trainer.callback_metrics.items()}
    _report(data, str(cfg.checkpoint), folder, scores, module.tested_as)
    return scores


@rank_zero_only
def _report(data: VideoData, path: str, folder: Path, scores: dict[str, float], name: str) -> None:
    """Prints the protocol, what was scored and what was not, and the scores."""
    views, missing = data.views["test"], len(data.missing["test"])
    videos, unread = int(scores[f"{name}/videos"]), int(scores[f"{name}/unreadable"])
    rows = {
        "checkpoint": path,
        "protocol": f"{counted(data.num_frames, 'frame')} x {views.described()}, "
        f"short side {views.short_side(data.image_size)}, crop {data.image_size}",
        "videos": f"{videos} scored, of these {missing} missing and {unread - missing} broken (counted as wrong)",
    }
    if data.reports["test"]:
        rows["videos"] += f"; {data.left_out['test']} more left out by a report"
        rows["report"] = data.reports["test"]
    rows |= accuracies(scores, f"{name}/") | told_part(data, name)
    confusion = "" if data.label_sets is not None else "confusion.csv, "
    rows["of each video and class"] = f"{folder}/predictions.csv, per_class.csv, {confusion}probabilities.npy"
    summary(f"split '{data.splits['test']}' of {data.root}", rows)
