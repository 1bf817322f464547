"""Figures of a run in MLflow: one MLflow run for each, which goes on where the run goes on."""

import logging
import os
import warnings
from argparse import Namespace
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch.loggers import MLFlowLogger
from lightning.pytorch.loggers.logger import DummyLogger, Logger
from lightning.pytorch.utilities import rank_zero_only

from video_adapters.commands.config import PROJECT, leaves
from video_adapters.commands.lock import alone
from video_adapters.training.optional import optional
from video_adapters.training.tolerant import Tolerant

STORE = "mlflow.db"  # in the folder of all runs: MLflow compares those of one store
RUN = "video_adapters.run"  # tag by which a run that goes on is found again


class Mlflow(Tolerant, MLFlowLogger):
    """Lightning's logger with keys as the configs have them."""

    title = "MLflow"
    name, version = "mlflow", ""  # theirs would ask the server

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """The config as MLflow's params, which never change: a run that goes on keeps those it began with."""
        self._try("the config", self._log_params, dict(leaves(params if isinstance(params, dict) else vars(params))))

    @rank_zero_only
    def _log_params(self, params: dict[str, Any]) -> None:
        logged = self.experiment.get_run(self.run_id).data.params
        MLFlowLogger.log_hyperparams(self, {key: value for key, value in params.items() if key not in logged})

    def show_test(self, folder: Path, strips: Sequence[tuple[np.ndarray, str]]) -> None:
        """Leaves the tables of a test's folder and film strips, (H, W, 3) uint8 with captions, as artifacts under the
        folder's name."""
        for table in ("per_class.csv", "confusion.csv"):
            if (folder / table).is_file():
                self.experiment.log_artifact(self.run_id, str(folder / table), folder.name)
        for rank, (picture, _) in enumerate(strips, 1):
            self.experiment.log_image(self.run_id, picture, f"{folder.name}/worst/{rank}.png")
        captions = {str(rank): caption for rank, (_, caption) in enumerate(strips, 1)}
        self.experiment.log_dict(self.run_id, captions, f"{folder.name}/worst/captions.json")

    @property
    def where(self) -> str:
        """Where the run is, as people are told."""
        return f"{self._tracking_uri}, run {self._run_id}"


def mlflow_logger(experiment: str, name: str, id: str | None = None, tags: dict[str, str] | None = None) -> Logger:
    """A logger to the server or store of MLFLOW_TRACKING_URI, or else to `mlflow.db` in the folder of all runs.

    Without the server, or with a store that cannot be read, the run goes on without it.

    Args:
        experiment: MLflow's name for what is compared.
        name: shown for the run; several may have it.
        id: of the run. With that of a run that was logged before, it goes on there.
        tags: to search by.
    """
    if getattr(rank_zero_only, "rank", 0) != 0:
        return DummyLogger()
    # 14 s without a server; its own 7 would keep a run waiting for minutes
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    logging.getLogger("mlflow.store.db").setLevel(logging.WARNING)  # which tells of every table that it creates
    given, folder = os.environ.get("MLFLOW_TRACKING_URI"), PROJECT / (os.environ.get("LOG_DIR") or "logs")
    uri = given or f"sqlite:///{folder / STORE}"
    # a sweep's first jobs would all create the store's tables
    store = nullcontext() if given else alone(folder / f"{STORE}.lock", wait=True)
    with optional(f"MLflow ({uri})"), store, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of SQLAlchemy, about how MLflow uses it
        own = {**(tags or {}), **({RUN: id} if id else {})}
        before = _run_of(uri, experiment, id) if id else None
        place = None if given else str(folder / "mlflow")  # of artifacts: else ./mlruns
        logger = Mlflow(experiment, name, uri, own, artifact_location=place, run_id=before)
        _ = logger.run_id  # what cannot be reached shows now
        if before:
            logger.experiment.update_run(before, status="RUNNING")
        return logger
    return DummyLogger()


def _run_of(uri: str, experiment: str, id: str) -> str | None:
    """MLflow's id of the run that was logged under this id, None if there is none."""
    from mlflow.tracking import MlflowClient  # here: seconds, for which no other run waits

    client = MlflowClient(uri)
    known = client.get_experiment_by_name(experiment)
    runs = client.search_runs([known.experiment_id], f"tags.`{RUN}` = '{id}'") if known else []
    return str(runs[0].info.run_id) if runs else None
