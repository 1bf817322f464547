"""Jobs of a sweep: finished ones are not run again, interrupted ones go on, failing ones do not end the others."""

import json
import logging
import os
import tempfile
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from video_adapters.commands.atomic import write_text
from video_adapters.commands.config import is_sweep, leaves
from video_adapters.commands.errors import UserError, explained
from video_adapters.commands.grammar import key_of
from video_adapters.commands.lock import Busy, alone
from video_adapters.commands.wording import counted
from video_adapters.data.from_config import with_classes_counted
from video_adapters.training.callbacks.sweep_report import FAILED
from video_adapters.training.planning.plan import PLANNED
from video_adapters.training.problems import expect_values, told_together
from video_adapters.training.record import read_record
from video_adapters.training.run import train
from video_adapters.training.solution import PROBED
from video_adapters.trust.checkpoint_file import has_state
from video_adapters.trust.config_file import read_config

log = logging.getLogger(__name__)

MAY_CHANGE = (
    "run_dir",
    "resume",
    "logger",
    "callbacks",
    "data.root",
    "data.num_workers",
    "features.root",
    "trainer.default_root_dir",  # the job's folder, which may be moved
    "model.cached_only",  # of a job that went on
)
"""Keys that a job may be started with otherwise than before: they do not change what comes out."""


def run_or_job(cfg: DictConfig, overrides: list[str]) -> dict[str, float]:
    """Trains by itself or, under `--multirun`, as a job whose folder is named by its overrides.

    Returns: the scores, as fractions; none of a job that failed.
    """
    if not is_sweep():
        return _train(cfg, overrides)
    folder = Path(cfg.run_dir)
    (folder / FAILED).unlink(missing_ok=True)
    try:
        with explained():
            return _job(cfg, overrides, folder)
    except Exception as error:
        if isinstance(error.__cause__, Busy):  # it has not failed: another process is at it, and the folder is its own
            log.error("this job is left to the other process: %s", error)
            return {}
        message = str(error) if isinstance(error, UserError) else traceback.format_exc()
        log.error("this job failed: %s", message)
        write_text(folder / FAILED, json.dumps({"overrides": overrides, "error": message}))
        return {}


def _job(cfg: DictConfig, overrides: list[str], folder: Path) -> dict[str, float]:
    record = read_record(folder) if (folder / "run.json").is_file() else None  # of an earlier start of the job
    cfg = with_classes_counted(cfg)
    if record is not None:
        _refuse_another(cfg, folder)
    if record is not None and "finished" in record:
        log.info("finished on %s, not run again: %s", record["finished"], folder)
        return record["scores"]
    if record is not None and has_state(folder):
        log.info("goes on where it was interrupted: %s", folder)
        cfg.resume = str(folder)
        overrides = [one for one in overrides if _may_change(key_of(one))]  # the configs are the same but for these
    take_gpu()
    return _train(cfg, overrides)


def _train(cfg: DictConfig, overrides: list[str]) -> dict[str, float]:
    with told_together(cfg):
        expect_values(cfg)
        return train(cfg, overrides)


def _may_change(key: str, free: Sequence[str] = MAY_CHANGE) -> bool:
    return any(f"{key}.".startswith(f"{one}.") for one in free)


def _refuse_another(cfg: DictConfig, folder: Path) -> None:
    """Refuses to take a run for this job whose config was another: files may have changed in between.

    What a plan or a probe decides is no difference: it is in the config that was saved, and not yet in this one.

    Raises:
        ValueError: naming a key, and both its values.
    """
    left_out = (*MAY_CHANGE, *(PLANNED if cfg.memory.plan else ()), *(PROBED if cfg.get("probe") else ()))
    configs = (OmegaConf.create(read_config(folder)), cfg)
    before, now = (dict(leaves(OmegaConf.to_container(config, resolve=True))) for config in configs)
    if not any(_may_change(key, ("features",)) for key in before):
        left_out = (*left_out, "features")  # a run of before there were any, whose adapters train
    keys = (key for key in before.keys() | now.keys() if not _may_change(key, left_out))
    if changed := sorted(key for key in keys if before.get(key) != now.get(key)):
        key = changed[0]
        raise ValueError(
            f"{folder} holds a run of this job whose config was another: {key} was {before.get(key)} and is "
            f"{now.get(key)} ({counted(len(changed), 'key')} changed in all); delete the folder to run it anew"
        )


STARTED_BY_OTHERS = ("SLURM_PROCID", "LOCAL_RANK", "TORCHELASTIC_RUN_ID")
"""Variables of processes that SLURM or torchrun starts: these say themselves which GPU is whose."""

_gpu: ExitStack | None = None


def take_gpu() -> None:
    """Gives each process that works on jobs a GPU of its own, where several share a machine (the joblib launcher).

    The lock is the process's until it ends. Processes that SLURM or torchrun starts have theirs already.

    Raises:
        ValueError: when more processes run than there are GPUs.
    """
    import torch

    global _gpu
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    visible = named.split(",") if named else [str(number) for number in range(torch.cuda.device_count())]
    if _gpu is not None or len(visible) < 2 or any(name in os.environ for name in STARTED_BY_OTHERS):
        return
    for number in visible:
        stack = ExitStack()
        try:
            stack.enter_context(alone(Path(tempfile.gettempdir()) / f"video_adapters_{os.getuid()}_gpu{number}.lock"))
        except Busy:
            continue
        os.environ["CUDA_VISIBLE_DEVICES"] = number  # in time: nothing has touched the GPUs yet
        _gpu = stack
        return
    raise ValueError(
        f"all {len(visible)} GPUs are taken by other jobs of sweeps; with hydra/launcher=joblib set "
        f"hydra.launcher.n_jobs={len(visible)}"
    )
