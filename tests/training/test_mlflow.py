"""MLflow's runs, read back from a local store; and machines without it."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from lightning.pytorch.loggers.logger import Logger

from video_adapters.training.problems import problems
from video_adapters.training.run import _identity
from video_adapters.training.tolerant import PATIENCE, Tolerant

from helpers.toy import composed, run

SRC = Path(__file__).parents[2] / "src"


@pytest.fixture(scope="module")
def folder(shapes: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run of one epoch that went on for a second one, and a second run, in the store of a folder of runs."""
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv("LOG_DIR", str(folder))
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        run(folder / "a", *shapes, "logger=mlflow", "data.max_videos=16", "test=false", "trainer.max_epochs=1")
        run(folder / "a", f"resume={folder / 'a'}", "trainer.max_epochs=2", "test=true")
        run(folder / "b", *shapes, "logger=mlflow", "data.max_videos=16", "test=false", "trainer.max_epochs=1")
        assert not list(Path.cwd().iterdir())  # no mlruns beside whatever one is at
        yield folder


def client(folder: Path) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")


def runs(folder: Path) -> list[Any]:
    """The latest first."""
    one = client(folder)
    return one.search_runs([one.get_experiment_by_name("video-adapters").experiment_id])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of SQLAlchemy
def test_a_run_that_goes_on_is_one_run_with_the_figures_of_its_csv(folder: Path) -> None:
    second, first = runs(folder)
    rows = pd.read_csv(folder / "a" / "metrics.csv")
    for name in ("train/loss", "val/top1", "test/top1", "test/top1_low"):
        logged = client(folder).get_metric_history(first.info.run_id, name)
        assert [metric.value for metric in logged] == pytest.approx(rows[name].dropna().tolist())
        assert [metric.step for metric in logged] == rows["step"][rows[name].notna()].tolist()
    assert first.info.status == second.info.status == "FINISHED"
    assert first.data.params["adapter.ratio"] == "0.25"
    assert first.data.params["trainer.max_epochs"] == "1"  # params stay
    assert "git_commit" in first.data.params
    files = [file.path for file in client(folder).list_artifacts(first.info.run_id, "test")]
    assert {"test/confusion.csv", "test/per_class.csv", "test/worst"} == set(files)
    assert (folder / "mlflow").is_dir()  # the artifacts


JOB = "import sys; from video_adapters.training.mlflow_logger import Mlflow, mlflow_logger as new\n"
JOB += "logger = new('sweep', 'job', id=sys.argv[1]); sys.exit(not isinstance(logger, Mlflow))"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_jobs_that_start_together_share_one_new_store(tmp_path: Path) -> None:
    """Where MLflow would have each of them create its tables."""
    environment = {**os.environ, "LOG_DIR": str(tmp_path), "PYTHONPATH": str(SRC)}
    environment.pop("MLFLOW_TRACKING_URI", None)
    jobs = [subprocess.Popen([sys.executable, "-c", JOB, name], env=environment) for name in "ab"]
    assert [job.wait(timeout=200) for job in jobs] == [0, 0]
    one = client(tmp_path)
    assert len(one.search_runs([one.get_experiment_by_name("sweep").experiment_id])) == 2


@pytest.mark.slow
def test_a_server_that_is_not_there_stops_no_training(
    shapes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    scores = run(tmp_path, *shapes, "logger=mlflow", "data.max_videos=16", "test=false")
    assert "val/top1" in scores
    assert caplog.text.count("MLflow (http://127.0.0.1:9) left out, the run goes on") == 1
    assert (tmp_path / "metrics.csv").is_file()


@pytest.mark.parametrize("missing", ["mlflow", "sqlalchemy"])
def test_without_a_package_a_sentence_says_how_to_get_it(
    missing: str, shapes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else there(name))
    (problem,) = [p for p in problems(composed(*shapes, "logger=mlflow", "run_dir=.")) if "package" in p]
    assert f"needs the package {missing}: pip install -e '.[mlflow]'" in problem
    with pytest.raises(ValueError, match=rf"needs the package {missing}"):
        run(tmp_path / "run", *shapes, "logger=mlflow")
    assert not (tmp_path / "run").exists()


def test_a_run_is_found_again_by_its_id_and_searched_by_its_choices() -> None:
    record = {"wandb_id": "a", "choices": {"adapter": "aim", "hydra": "default"}}
    assert _identity(composed("logger=mlflow").logger.mlflow, record) == {"id": "a", "tags": {"adapter": "aim"}}


def test_a_logger_that_fails_again_and_again_is_told_no_more(caplog: pytest.LogCaptureFixture) -> None:
    told: list[int] = []

    class Failing(Logger):
        def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
            told.append(step or 0)
            if step not in (1, 2):
                raise OSError("disk full")

    class Guarded(Tolerant, Failing):
        title, name, version = "Somewhere", "", ""

    logger = Guarded()
    for step in range(10):
        logger.log_metrics({}, step)
    assert told == [0, 1, 2, *range(3, 3 + PATIENCE)]  # one failure is forgiven
    assert caplog.text.count("figures left out") == 1 + PATIENCE
    assert "Somewhere failed 3 times in a row and is told no more" in caplog.text
