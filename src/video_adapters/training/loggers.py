"""Loggers of figures: W&B, online or not, TensorBoard, and a CSV in the run's folder."""

import csv
import importlib.util
import logging
import os
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import wandb
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from video_adapters.commands.atomic import replacing
from video_adapters.training.optional import optional
from video_adapters.training.tolerant import Tolerant

log = logging.getLogger(__name__)

PACKAGES = {"tensorboard": ("tensorboard",), "mlflow": ("mlflow", "sqlalchemy", "alembic")}
"""What loggers need, by the extra of this project that brings it; MLflow's store is a database."""


@contextmanager
def wandb_run() -> Iterator[None]:
    """Ends the W&B run, if one is begun within, before a sweep's next job: as a failed one, unless all was done."""
    exit_code = 1
    try:
        yield
        exit_code = 0
    finally:
        with optional("the end of the W&B run"):  # whose disk may be full, and whose error would hide the first
            _finish(exit_code)


WRITTEN = 30.0  # seconds in which W&B's process has written what it was told last: most often less than one


def _finish(exit_code: int) -> None:
    """Ends the W&B run, if there is one. What it has to say at its end makes an offline run's file grow; W&B says
    nothing of a disk that is full, and writes no more once it was."""
    run = wandb.run
    file = Path(run.settings.sync_file) if run is not None and run.offline else None
    size = _size(file)
    wandb.finish(exit_code=exit_code)
    deadline = time.monotonic() + WRITTEN
    while file is not None and _size(file) <= size:
        if time.monotonic() > deadline:
            log.warning(
                "W&B could not write %s to its end (is the disk full?): wandb sync will send less than all", file
            )
            return
        time.sleep(0.1)


def _size(file: Path | None) -> int:
    return file.stat().st_size if file is not None and file.is_file() else 0


class MetricsCsv(Logger):
    """A row per logged step in `metrics.csv`; a resumed run goes on in the same file, without what it repeats.

    Training and validation count steps from 0, as Lightning does; the test's row has the number of steps made.
    """

    name, version = "csv", ""
    experiment = None

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = Path(path)
        self._rows: list[dict[str, Any]] = []
        self._columns: dict[str, None] = {}  # a set that keeps order

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Nothing: the run's folder holds its config already."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        row = {"step": step or 0, **metrics}
        if not self._columns and self.path.exists():
            with self.path.open(newline="") as file:
                self._rows = [old for old in csv.DictReader(file) if _step(old) < row["step"]]
        self._rows.append(row)
        anew = not row.keys() <= self._columns.keys()  # with another header, or without what is repeated
        if anew:
            self._columns = dict.fromkeys(name for logged in self._rows for name in logged)
        target = replacing(self.path) if anew else nullcontext(self.path)
        with target as path, path.open("w" if anew else "a", newline="") as file:
            writer = csv.DictWriter(file, self._columns)
            if anew:
                writer.writeheader()
            writer.writerows(self._rows if anew else [row])


def _step(row: dict[str, Any]) -> float:
    """A row's step; a line that a kill has cut short counts as after all others."""
    return float(row["step"]) if (row.get("step") or "").isdigit() and None not in row.values() else float("inf")


def wandb_logger(**settings: Any) -> WandbLogger:
    """A W&B logger: online where there is a key (WANDB_API_KEY, `wandb login`) and the server answers, else offline.

    Never asks. WANDB_MODE, where it is set, decides instead. A run's summary holds its best validation, not its last.
    """
    os.environ.setdefault("WANDB_SILENT", "true")  # the run says itself where its W&B run is
    if "WANDB_MODE" not in os.environ and not (_is_first_process() and _logged_in()):
        settings["mode"] = "offline"
    Path(settings["save_dir"]).mkdir(parents=True, exist_ok=True)
    logger = WandbLogger(**settings, settings=wandb.Settings(console="off"))
    logger._wandb_init.pop("anonymous")  # Lightning hands it on whatever it is, and W&B warns that it has no effect
    if _is_first_process():
        for name in ("top1", "top1_low", "top1_high", "top5", "mean_class", "mAP"):  # the ends rise with their middle
            logger.experiment.define_metric(f"val/{name}", step_metric="trainer/global_step", summary="max")
        logger.experiment.define_metric("val/loss", step_metric="trainer/global_step", summary="min")
    return logger


class TensorBoard(Tolerant, TensorBoardLogger):
    """Lightning's logger."""

    title = "TensorBoard"

    def show_test(self, folder: Path, strips: Sequence[tuple[np.ndarray, str]]) -> None:
        """Shows film strips of a test, (H, W, 3) uint8, with their captions, under the name of the test's folder."""
        for rank, (picture, caption) in enumerate(strips, 1):
            self.experiment.add_image(f"{folder.name}/worst/{rank}", picture, dataformats="HWC")
            self.experiment.add_text(f"{folder.name}/worst/{rank}", caption)


def tensorboard_logger(save_dir: str) -> TensorBoard:
    """A logger for TensorBoard; accuracies are fractions, as in `metrics.csv`. A resumed run goes on in its folder."""
    return TensorBoard(save_dir, name="", version="", default_hp_metric=False)


def expect_packages(loggers: Mapping[str, Any]) -> None:
    """Refuses loggers of a config whose package is not installed, before a run has left anything.

    Raises:
        ValueError: saying how to get it.
    """
    for name, packages in PACKAGES.items():
        wanted = any(f"{name}_logger" in entry["_target_"] for entry in loggers.values() if entry)
        missing = [package for package in packages if importlib.util.find_spec(package) is None]
        if wanted and missing:
            raise ValueError(
                f"logger={name} needs the package {missing[0]}: pip install -e '.[{name}]' brings it; logger=csv "
                "needs nothing"
            )


def _is_first_process() -> bool:
    return getattr(rank_zero_only, "rank", 0) == 0


def _logged_in() -> bool:
    try:
        return wandb.login(prompt=False)
    except wandb.Error as error:
        log.warning("W&B: there is a key, but %s; this run is logged offline", str(error).splitlines()[0])
        return False
