"""Folders of runs and of a sweep's jobs: the config's resolvers `run_folder` and `job_folder`."""

import hashlib
import os
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from omegaconf import OmegaConf

from video_adapters.commands.grammar import key_of
from video_adapters.commands.outputs import make_new


def _run_folder(resume: str | None, new: str) -> str:
    """The folder of the run that goes on or, where there is none, of a new one: ${run_folder:${resume},PATH}."""
    return resume if resume and Path(resume, "config.yaml").is_file() else _new_folder(new)


@cache  # the config may be asked for it again, and gives Lightning's other processes the same
def _new_folder(path: str) -> str:
    """Makes a run's folder: of two runs that start in one second, the second one's is called PATH_2.

    Processes that torchrun or SLURM start together share theirs; there the run's lock tells it from another run.
    """
    if int(os.environ.get("WORLD_SIZE") or os.environ.get("SLURM_NTASKS") or 1) > 1:
        return path
    for folder in (path, *(f"{path}_{number}" for number in range(2, 1000))):
        try:
            make_new(folder)
        except FileExistsError:
            continue
        return folder
    raise ValueError(f"{path} and 999 more folders of its name are there already")


def job_folder(overrides: Sequence[str], swept: Sequence[str], unnamed: Sequence[str], sweep: str) -> str:
    """A name for the folder of a sweep's job, by its overrides, those that the sweep varies first:
    `["optim.lr=1", "seed=0,1"]` -> "seed-0_optim.lr-1", "seed-1_optim.lr-1".

    Where a sign would have to be quoted in a path, or the name is long, part of a hash stands for what is left out. A
    folder of the sweep that another command has named by the same overrides in another order is taken.
    """
    named = sorted((key_of(one) not in swept, one) for one in overrides if key_of(one) not in unnamed)
    parts = [one for _, one in named]
    digest = hashlib.sha256(",".join(sorted(parts)).encode()).hexdigest()[:8]
    name = re.sub(r"[^\w.-]+", "_", "_".join(parts).replace("=", "-")).strip("_") or "defaults"
    if not re.fullmatch(r"[\w.=,-]*", ",".join(parts)) or len(name) > 100:
        name = f"{name[:90]}_{digest}"
    before = (path.name for path in sorted(Path(sweep).glob("*/")) if _same_job(path.name, name, digest))
    return next(before, name)


def _same_job(one: str, other: str, digest: str) -> bool:
    """Whether two names are of the same overrides: their words are, or their hashes, where words are left out."""
    if other.endswith(f"_{digest}"):
        return one.endswith(f"_{digest}")
    return sorted(one.split("_")) == sorted(other.split("_"))


# at import, because the joblib launcher's processes call nothing else of this
OmegaConf.register_new_resolver("run_folder", _run_folder, replace=True)
OmegaConf.register_new_resolver("job_folder", job_folder, replace=True)
