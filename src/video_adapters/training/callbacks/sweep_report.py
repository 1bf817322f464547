"""A sweep's jobs and how each ended, printed at its end."""

import atexit
import json
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, flag_override
from rich.table import Table
from rich.text import Text

from video_adapters.commands.intervals import between
from video_adapters.commands.terminal import console
from video_adapters.commands.wording import counted, printable

FAILED = "failed.json"
"""File in the folder of a job that failed: its overrides, and why."""

TITLES = {"top1": "top-1 (95%)", "mean_class": "mean class accuracy", "mAP": "mAP"}
"""Figures that validation may be judged by (`best_by`), in words."""


class Job(NamedTuple):
    """What one folder of a sweep holds."""

    folder: Path
    overrides: list[str]
    state: str  # finished, not finished, or why it failed
    scores: dict[str, float]  # of a job that has finished

    @property
    def tested_as(self) -> str:
        """What the test's figures are called."""
        return next((name.split("/")[0] for name in self.scores if name.endswith(("test/top1", "test/mAP"))), "test")


class SweepReport(Callback):
    """Names jobs by what their sweep varies (`swept`, which it tells its jobs), and lists them, best first.

    With a failed one, the process's status is 1.
    """

    def __init__(self, swept: Sequence[str] = ()) -> None:
        self.swept = swept
        self._started_jobs: Path | None = None  # a line for each job of this command, whichever process ran it

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        folder = Path(config.hydra.sweep.dir)
        self._started_jobs = folder / f".jobs_{uuid.uuid4().hex}"
        atexit.register(self._started_jobs.unlink, missing_ok=True)
        with flag_override(config.hydra, ["readonly", "struct"], False):
            config.hydra.overrides.hydra.append(f"hydra.callbacks.sweep_report.swept=[{','.join(swept_keys(config))}]")

    def on_job_start(self, config: DictConfig, **_: Any) -> None:
        if self._started_jobs is not None:
            with self._started_jobs.open("a", encoding="utf-8") as file:  # short lines are appended whole
                file.write(f"{Path(config.hydra.runtime.output_dir).name}\n")

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        folder, folders = Path(config.hydra.sweep.dir), self._folders()
        failed = [name for name in folders if (folder / name / FAILED).exists()]
        try:
            if jobs := read_jobs(folder, folders):
                console().print(table(folder, jobs))
        finally:  # Hydra only warns of what a callback raises, and would end with status 0
            if failed:
                raise SystemExit(
                    f"{counted(len(failed), 'job')} failed, as {FAILED} in their folders says in full, and the others "
                    "were run; the same command runs what failed again, and no other"
                )

    def _folders(self) -> list[str]:
        """Names of the folders of this command's jobs, each once."""
        path = self._started_jobs
        if path is None or not path.is_file():
            return []
        names = path.read_text(encoding="utf-8").splitlines()
        return list(dict.fromkeys(names))


def swept_keys(config: DictConfig) -> list[str]:
    """Keys that a sweep varies: those of its sweeper, and those with several values on the command line."""
    typed = OverridesParser.create().parse_overrides(list(config.hydra.overrides.task))
    several = [override.key_or_group for override in typed if override.is_sweep_override()]
    return list(dict.fromkeys([*(config.hydra.sweeper.get("params") or {}), *several]))


def read_jobs(folder: Path, names: Iterable[str]) -> list[Job]:
    """The jobs in folders of a sweep, the best validation score first."""
    jobs = [job for name in sorted(names) if (job := _read(folder / name)) is not None]
    return sorted(jobs, key=lambda job: job.scores.get(f"val/{_measure(job.scores)}", -1.0), reverse=True)


def table(folder: Path, jobs: list[Job]) -> Table:
    """The jobs of one command by what differs between their overrides."""
    common = set.intersection(*(set(job.overrides) for job in jobs)) if len(jobs) > 1 else set()
    title = Text(f"sweep in {folder}", style="table.title")
    tested = " or ".join(sorted({job.tested_as for job in jobs if len(job.scores)})) or "test"
    measures = sorted({_measure(job.scores) for job in jobs if job.scores}, reverse=True) or ["top1"]
    measure = " or ".join(TITLES.get(one, one) for one in measures)
    shown = Table("job", f"val {measure}", f"{tested} {measure}", "state", title=title, title_justify="left")
    shown.add_column("folder", overflow="fold")
    for job in jobs:
        own = " ".join(override for override in job.overrides if override not in common)
        scores = (_accuracy(job.scores, split) for split in ("val", job.tested_as))
        cells = (own or "as it is", *scores, job.state, job.folder.name)
        shown.add_row(*(Text(printable(cell)) for cell in cells))  # what stands in [brackets] is no markup
    return shown


def _accuracy(scores: dict[str, float], split: str) -> str:
    """Top-1 with the 95 % interval of its videos, or another figure, which has none in closed form."""
    measure = _measure(scores)
    if f"{split}/{measure}" not in scores:
        return "-"
    return between(scores[f"{split}/{measure}"], scores.get(f"{split}/videos", 0) if measure == "top1" else 0)


def _measure(scores: dict[str, float]) -> str:
    """What a job was judged by: the one figure of validation that it noted; of the test alone, top1 or mAP."""
    noted = (name.removeprefix("val/") for name in scores if name.startswith("val/") and name != "val/videos")
    return next(noted, "mAP" if any(name.endswith("/mAP") for name in scores) else "top1")


def _read(folder: Path) -> Job | None:
    failure, record = _content(folder / FAILED), _content(folder / "run.json")
    if failure is not None:
        reason = failure["error"].strip().splitlines()[-1]
        return Job(folder, failure["overrides"], f"failed: {reason}", {})
    if record is None:
        return None
    state = "finished" if "finished" in record else "not finished"
    return Job(folder, record["overrides"], state, record.get("scores", {}))


def _content(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
