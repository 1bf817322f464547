"""A checkpoint's network, rebuilt by the config that the checkpoint itself carries."""

import logging
from pathlib import Path
from typing import Any, NamedTuple

import torch
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf

from video_adapters.commands.config import CONFIGS, config_names
from video_adapters.commands.wording import did_you_mean
from video_adapters.model import checkpoint
from video_adapters.model.build import build_for
from video_adapters.model.classifier import VideoClassifier
from video_adapters.model.licences import terms
from video_adapters.trust import checkpoint_file
from video_adapters.trust.overrides import with_overrides

log = logging.getLogger(__name__)


class Loaded(NamedTuple):
    """A trained network and what it was trained for."""

    classifier: VideoClassifier  # on the CPU, in evaluation mode
    cfg: DictConfig  # the checkpoint's, with what was given in place of it
    class_names: tuple[str, ...]  # by label
    licence: str = ""  # of the encoder's weights; "" where none is known
    thresholds: tuple[float, ...] = ()  # by label, from which on a class is named; () where a video has one class


def load(path: str | Path, weights: str | Path | None = None, views: str | None = None) -> Loaded:
    """Rebuilds a checkpoint's network; for the arguments see `Recognizer.from_checkpoint`. No data set is looked for.

    Raises:
        ValueError: for a missing or foreign checkpoint, one without a head or with names for another number of classes,
            weights that are not there or not its own.
    """
    content = checkpoint_file.read(path)
    origin = checkpoint.origin(content)
    if not origin.class_names:
        raise ValueError(f"{path} was imported without a head and knows no classes; train.py init_from= starts a run")
    given = {
        "model": {"weights": None if weights is None else str(Path(weights).expanduser().absolute())},
        "data": {"test_views": named_views(views) if views else {}},
    }
    cfg = with_overrides(origin.config, OmegaConf.create(given), path)
    if len(origin.class_names) != cfg.data.num_classes:
        raise ValueError(f"{path} names {len(origin.class_names)} classes, but tells {cfg.data.num_classes} apart")
    with torch.random.fork_rng(devices=[]):  # where nothing is pretrained (toy models), the seed makes the encoder
        torch.manual_seed(cfg.seed)
        classifier = _built(content, cfg)
    own = checkpoint.origin_of(classifier, origin.config, origin.class_names)
    checkpoint.load_trained(classifier, own, content)
    licence = origin.licence or own.licence  # a checkpoint that holds the encoder too was built without its weights
    if told := terms(licence):
        log.warning(told)
    thresholds = (
        () if classifier.labels == "one" else origin.thresholds or (checkpoint.UNCHOSEN,) * len(origin.class_names)
    )
    return Loaded(classifier.eval(), cfg, origin.class_names, licence, thresholds)


def _built(content: dict[str, Any], cfg: DictConfig) -> VideoClassifier:
    """The network; where its weights are not found, the error says how to name them here."""
    try:
        return build_for(content, cfg)
    except InstantiationException as error:
        if isinstance(error.__cause__, ValueError):
            raise ValueError(f"{error.__cause__} Say where they lie now: --weights FILE, or weights=FILE") from error
        raise


def named_views(name: str) -> DictConfig:
    """A test protocol of `configs/views`, clips, crops and resize; a ValueError for a name that is none."""
    if name not in (names := config_names("views")):
        raise ValueError(f"there are no views '{name}'{did_you_mean(name, names)}, only: {', '.join(names)}")
    views = OmegaConf.load(CONFIGS / "views" / f"{name}.yaml")
    assert isinstance(views, DictConfig)
    return views
