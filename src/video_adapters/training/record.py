"""A run's folder: held by one run at a time, its record (config.yaml, run.json), and how a run goes on in it."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from video_adapters.commands.atomic import remove_parts, write_text
from video_adapters.commands.config import CONFIGS, PROJECT, choices, flat, is_sweep, meant
from video_adapters.commands.grammar import key_of
from video_adapters.commands.lock import LOCK, alone
from video_adapters.commands.signals import Interrupted
from video_adapters.model.classifier import VideoClassifier
from video_adapters.trust.arguments import buildable
from video_adapters.trust.checkpoint_file import LAST, has_state, state_of
from video_adapters.trust.config_file import bounded, read_config


def refuse_another(folder: Path) -> None:
    """Refuses to start a new run where one is that could go on.

    Raises:
        ValueError: naming both ways out.
    """
    if has_state(folder):
        raise ValueError(
            f"{folder} holds a run already, and two in one folder would mix: go on with it by resume={folder}, or give "
            "the new one a folder of its own (hydra.run.dir=FOLDER)"
        )


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Holds a run's folder for this process, and removes what a killed one left half written there.

    Of a run of several processes the first one holds it.

    Raises:
        Busy: another process holds it.
    """
    if getattr(rank_zero_only, "rank", 0) != 0:
        yield
        return
    with alone(folder / LOCK, f"another process is training in {folder}: wait for its end, or stop it first") as held:
        if held:
            remove_parts(folder, folder / "checkpoints")
        yield


@contextmanager
def going_on(folder: Path) -> Iterator[None]:
    """Notes on whatever ends the run of a folder what to type to go on with it, once it has saved a state."""
    try:
        yield
    except BaseException as error:
        # Lightning cleans up again when a signal comes while it does, and fails: what ended the run is the signal
        end = error.__context__ if isinstance(error.__context__, Interrupted) else error
        if has_state(folder):
            alone = f"go on with: python src/train.py resume={folder}"
            how = "the same command goes on with the sweep" if is_sweep() else alone
            end.__notes__ = [how]  # type: ignore[attr-defined]  # as add_note does from Python 3.11 on
        raise end from end.__cause__


def new_record(
    folder: Path,
    cfg: DictConfig,
    overrides: list[str],
    classifier: VideoClassifier,
    chosen: Mapping[str, str],
) -> dict[str, Any]:
    """What identifies a run, as in its `run.json`; a run that goes on stays the one it is.

    `chosen` are choices of config groups that the run itself has made.
    """
    before = read_record(folder) if cfg.resume else {}
    record = {
        "wandb_id": os.environ.get("WANDB_RUN_ID") or secrets.token_hex(4),  # an agent of a W&B sweep names its runs
        "overrides": overrides,
        "command": " ".join(sys.argv),
        "started": _now(),
        "git_commit": _git_commit(),
        "choices": {**choices(), **chosen},
        "parameters": sum(p.numel() for p in classifier.parameters()),
        "trainable_parameters": sum(p.numel() for p in classifier.trainable().values()),
        "encoder_licence": classifier.backbone.encoder.licence,
    }
    new = ("overrides", "encoder_licence", "finished", "scores")
    return record | {key: value for key, value in before.items() if key not in new}


def read_record(folder: Path) -> dict[str, Any]:
    """A run's record.

    Raises:
        ValueError: it is missing, or damaged.
    """
    path = folder / "run.json"
    try:
        record = json.loads(bounded(path))
        texts = [*record["overrides"], record.get("wandb_id", "")]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"{path} cannot be read as a run's record ({type(error).__name__}: {error}): put back a copy, or start a "
            "new run from its adapters by init_from=PATH"
        ) from error
    if not all(isinstance(one, str) for one in texts):
        raise ValueError(f"{path} is no run's record: its overrides, or its wandb_id, are no text")
    return record


@rank_zero_only  # other processes of the run may be reading the one before
def write_record(folder: Path, cfg: DictConfig, record: dict[str, Any]) -> None:
    """Writes a run's record and its config into its folder."""
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    write_text(folder / "run.json", json.dumps(record, indent=2) + "\n")
    write_text(folder / "config.yaml", OmegaConf.to_yaml(_movable(config, str(cfg.run_dir))))


def note_finish(folder: Path, record: dict[str, Any], scores: dict[str, float]) -> None:
    """Adds to the record when the run had trained and tested all that it was to, and what it reached."""
    write_text(folder / "run.json", json.dumps(record | {"finished": _now(), "scores": scores}, indent=2) + "\n")


DECIDED = (
    "experiment", "debug", "hparams_search", "seed", "init_from", "resize_time", "memory.plan", "gpu",
    "callbacks.random_state",
)  # fmt: skip
"""What only the start of a run asks for, or its saved state says: a change would have no effect, or half of one."""


def resumed(cfg: DictConfig, overrides: list[str]) -> tuple[DictConfig, list[str]]:
    """The config of the run that goes on with what the command line changes in it, and all that was changed so far.

    Raises:
        ValueError: where there is no run to go on with, and for changes of what was decided when it started, and of
            whole config groups other than views and logger.
    """
    folder = Path(cfg.resume)
    there = {"config.yaml": (folder / "config.yaml").is_file(), f"checkpoints/{LAST}": has_state(folder)}
    if missing := [name for name, is_there in there.items() if not is_there]:
        raise ValueError(
            f"resume={cfg.resume}: there is no {missing[0]} in {folder.absolute()}; resume takes the "
            "folder of a run that has saved its state (one is saved after each epoch and every "
            "callbacks.last.every_n_steps steps)"
        )
    before, config = _by_key(read_record(folder)["overrides"]), OmegaConf.create(read_config(folder))
    given = {
        key
        for key, override in _by_key(overrides).items()
        if override != before.get(key) or _is_same_value(OmegaConf.select(cfg, key), OmegaConf.select(config, key))
    }  # what was given before and has become another value since, as by a plan, stays
    saved = OmegaConf.create(buildable(OmegaConf.to_container(config), folder / "config.yaml", given))
    for key, override in _by_key(overrides).items():
        if override == before.get(key) or key in ("resume", "run_dir"):
            continue
        if not override.startswith("+") or override.startswith("++"):  # a recipe's key is none of Hydra's config
            _expect_key(saved, key)
        value = OmegaConf.select(cfg, key)
        decided = key.startswith(DECIDED) and (value is None or value != OmegaConf.select(saved, key))
        if decided or (OmegaConf.is_dict(value) and key != "logger"):
            raise ValueError(
                f"resume={cfg.resume}: {override} would change the run that goes on; start a new one without resume=, "
                "or from the old one's adapters with init_from=PATH"
            )
        if key == "views":  # the one group whose keys stand elsewhere
            key, value = "data.test_views", cfg.data.test_views
        OmegaConf.update(saved, key, value, merge=False, force_add=True)
    OmegaConf.update(saved, "resume", cfg.resume)
    OmegaConf.update(saved, "run_dir", cfg.run_dir)
    changes = {key: override.removeprefix("++") for key, override in _by_key(overrides).items()}
    return saved, list((before | changes).values())


def state_before_end(cfg: DictConfig) -> Path:
    """The file of the state that a run goes on from, which its config, maybe changed since then, does not end before.

    Raises:
        ValueError: it does, with how far the run is and both ways out; or no state can be read.
    """
    path, state = state_of(Path(cfg.resume))
    loader = state["loops"]["fit_loop"]["state_dict"]["combined_loader"][0]
    reached = {"max_steps": state["global_step"], "max_epochs": loader["epoch"] + loader["batches"] / loader["of"]}
    for name, value in reached.items():
        limit = cfg.trainer.get(name)
        if limit is not None and 0 <= limit < value:  # -1 ends nothing
            best = path.with_name("best.ckpt")
            raise ValueError(
                f"resume={cfg.resume}: the run is at step {reached['max_steps']}, epoch {reached['max_epochs']:.3g}, "
                f"and trainer.{name}={cfg.trainer[name]} would have ended it before: give a larger number, or score "
                f"the run as it is by python src/eval.py checkpoint={best if best.is_file() else path}"
            )
    return path


def _expect_key(saved: DictConfig, key: str) -> None:
    keys = [*flat(OmegaConf.to_container(saved, resolve=False))]
    if key not in keys and not (CONFIGS / key).is_dir():
        raise ValueError(
            f"the run has no key '{key}'{meant(key, keys)}; what Lightning takes beside those it has is given as "
            f"+{key}=VALUE"
        )


def _is_same_value(one: Any, other: Any) -> bool:
    return one is not None and not OmegaConf.is_config(one) and one == other


def _by_key(overrides: list[str]) -> dict[str, str]:
    """Overrides by the key that they change; the last one counts, as in Hydra."""
    return {key_of(override): override for override in overrides}


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _movable(config: Any, run_dir: str) -> Any:
    """A resolved config in which the run's folder is named once, so that the folder can be moved."""
    if isinstance(config, dict):
        return {key: value if key == "run_dir" else _movable(value, run_dir) for key, value in config.items()}
    return config.replace(run_dir, "${run_dir}") if isinstance(config, str) else config


def _git_commit() -> str | None:
    """The commit that runs, with a plus sign when the checkout differs from it; None outside a checkout."""
    command = ["git", "-C", str(PROJECT), "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):  # a checkout on a slow disk, too, is looked at for long enough
        return None
