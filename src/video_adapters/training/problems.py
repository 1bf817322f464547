"""Problems of a config, reported together: who mends one need not start again to hear of the next."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import MISSING, DictConfig, OmegaConf, open_dict

from video_adapters.commands.config import leaves
from video_adapters.commands.errors import UserError, explained
from video_adapters.model.build import build_head
from video_adapters.model.execution import Memory
from video_adapters.model.heads.class_names import NamesHead
from video_adapters.training.loggers import expect_packages
from video_adapters.training.loss import LossSettings
from video_adapters.training.trainer import refuse_what_is_ours
from video_adapters.trust import checkpoint_file

ANY_CLASSES, ANY_WIDTH, ANY_TIMES = 2, 8, 1
EXPECT_WEIGHTS = "video_adapters.model.encoders.pretrained.expect_weights"


def expect_values(cfg: DictConfig) -> None:
    """Refuses a config in which something has neither a value nor a default.

    Raises:
        ValueError: naming all of it.
    """
    tree: Any = OmegaConf.to_container(cfg)  # as written: what refers to a missing key is none itself
    if not cfg.resume and (missing := sorted(key for key, value in leaves(tree) if value == MISSING)):
        raise ValueError("; ".join(f"{key} has no default: give {key}=..." for key in missing))


def problems(cfg: DictConfig, evaluated: bool = False) -> Iterator[str]:
    """A sentence for each part of a config that cannot be built, each tried by itself, without weights or videos."""
    of_training = (_data, _weights, _checkpoint, _recipe, _trainer, _loggers)
    for check in (_checkpoint, _folder, _file, _loggers) if evaluated else of_training:
        try:
            with explained():
                check(cfg)
        except UserError as error:
            yield str(error)


@contextmanager
def told_together(cfg: DictConfig, evaluated: bool = False) -> Iterator[None]:
    """Adds to an error that keeps a run from starting what else would, of its `problems`.

    Raises:
        UserError: with a sentence for each thing.
    """
    try:
        with explained():
            yield
    except UserError as error:
        begun = cfg.get("resume") or (Path(cfg.run_dir) / "run.json").is_file()
        others = [] if begun else [other for other in problems(cfg, evaluated) if not _is_told(other, str(error))]
        if not others:
            raise
        listed = "\n".join(f"- {one}" for one in (str(error), *others))
        raise UserError(f"{1 + len(others)} things are in the way:\n{listed}") from error.__cause__


def _is_told(one: str, told: str) -> bool:
    """Whether a problem has been told: what loading says of weights is no news of them."""
    return one in told or all("model.weights" in text for text in (one, told))


def _data(cfg: DictConfig) -> None:
    data = cfg.data.copy()
    OmegaConf.update(data, "num_classes", data.num_classes or ANY_CLASSES)
    _ = instantiate(data, seed=cfg.seed, **cfg.batch, _convert_="all").class_names


def _weights(cfg: DictConfig) -> None:
    model = cfg.model.copy()
    with open_dict(model):
        model["_target_"] = EXPECT_WEIGHTS
    instantiate(model, _convert_="all")


def _checkpoint(cfg: DictConfig) -> None:
    if path := cfg.get("checkpoint") or cfg.get("init_from"):
        checkpoint_file.read(path)


def _recipe(cfg: DictConfig) -> None:
    Memory(**cfg.memory)
    settings: Any = OmegaConf.to_container(cfg.loss)
    LossSettings(**settings)
    head = build_head(cfg.head, width=ANY_WIDTH, num_classes=ANY_CLASSES, num_times=ANY_TIMES)
    if isinstance(head, NamesHead):
        from video_adapters.model.encoders.text_tower import expect_text_tower  # here: timm and open_clip take seconds

        expect_text_tower(instantiate(cfg.model.encoder, _convert_="all"))
    for part in ("adapter", "optim", "schedule"):
        instantiate(cfg[part], _convert_="all")


def _trainer(cfg: DictConfig) -> None:
    refuse_what_is_ours(cfg.trainer)
    for callback in cfg.callbacks.values():
        if callback:
            instantiate(callback)


def _loggers(cfg: DictConfig) -> None:
    expect_packages(cfg.logger)


def _folder(cfg: DictConfig) -> None:
    if cfg.data.root and not Path(cfg.data.root).expanduser().is_dir():
        raise ValueError(f"data.root={cfg.data.root} is no folder that is there")


def _file(cfg: DictConfig) -> None:
    weights = Path(cfg.model.weights or "")  # or the tag of published ones, a plain word
    if (weights.suffix or len(weights.parts) > 1) and not weights.expanduser().exists():
        raise ValueError(f"model.weights={weights} is no file that is there")
