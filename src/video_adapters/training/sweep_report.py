"""What became of the jobs of a sweep, said when it ends."""

import json
import time
from pathlib import Path
from typing import Any, NamedTuple

from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table
from rich.text import Text

from video_adapters.shown import printable

FAILED = "failed.json"
"""File in the folder of a job that failed: its overrides, and why."""


class Job(NamedTuple):
    """What one folder of a sweep holds."""

    folder: Path
    overrides: list[str]
    state: str  # finished, not finished, or why it failed
    val: float | None  # best val/top1
    test: float | None  # test/top1


class SweepReport(Callback):
    """Lists the jobs of a sweep, best first; ends the process with status 1 when one of them failed."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        self._started = time.time()

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        folder = Path(config.hydra.sweep.dir)
        failed = [path for path in folder.glob(f"*/{FAILED}") if path.stat().st_mtime >= self._started - 1]  # rounded
        try:
            _print(table(folder, read_jobs(folder)))
        finally:  # Hydra only warns of what a callback raises, and would end with status 0
            if failed:
                raise SystemExit(
                    f"{len(failed)} job(s) failed, as {FAILED} in their folders says in full, and the others were run; "
                    "the same command runs what failed again, and no other"
                )


def read_jobs(folder: Path) -> list[Job]:
    """The jobs of a sweep's folder, the best validation score first."""
    jobs = [job for path in sorted(folder.iterdir()) if path.is_dir() and (job := _read(path)) is not None]
    return sorted(jobs, key=lambda job: -1.0 if job.val is None else job.val, reverse=True)


def table(folder: Path, jobs: list[Job]) -> Table:
    """The jobs by what differs between their overrides."""
    common = set.intersection(*(set(job.overrides) for job in jobs)) if len(jobs) > 1 else set()
    title = Text(f"sweep in {folder}", style="table.title")
    shown = Table("job", "val top-1", "test top-1", "state", title=title, title_justify="left")
    shown.add_column("folder", overflow="fold")
    for job in jobs:
        own = " ".join(override for override in job.overrides if override not in common)
        scores = ("-" if score is None else f"{score:.1%}" for score in (job.val, job.test))
        cells = (own or "as it is", *scores, job.state, job.folder.name)
        shown.add_row(*(Text(printable(cell)) for cell in cells))  # what stands in [brackets] is no markup
    return shown


def _print(shown: Table) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)  # a file has no width, but readers do
    console.print(shown)


def _read(folder: Path) -> Job | None:
    failure, record = _content(folder / FAILED), _content(folder / "run.json")
    if failure is not None:
        reason = failure["error"].strip().splitlines()[-1]
        return Job(folder, failure["overrides"], f"failed: {reason}", None, None)
    if record is None:
        return None
    scores = record.get("scores", {})
    state = "finished" if "finished" in record else "not finished"
    return Job(folder, record["overrides"], state, scores.get("val/top1"), scores.get("test/top1"))


def _content(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
