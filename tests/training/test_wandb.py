"""What W&B is told, read back from the files of offline runs."""

import json
import signal
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from types import SimpleNamespace
from typing import Any

import pytest
import wandb
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from wandb.proto import wandb_internal_pb2 as messages

from video_adapters.commands.signals import Interrupted
from video_adapters.training import loggers
from video_adapters.training.loggers import wandb_logger, wandb_run
from video_adapters.training.run import _identity

from helpers.toy import composed, run

BLOCK = 1 << 15


def records(path: Path) -> Iterator[Any]:
    """The messages of a `.wandb` file so far: LevelDB's log format after a header of seven bytes."""
    content, place, message = path.read_bytes(), 7, b""
    while place + 7 <= len(content):
        left = BLOCK - place % BLOCK
        if left < 7:  # too little for a header: the rest of the block is filled up
            place += left
            continue
        length, kind = struct.unpack("<HB", content[place + 4 : place + 7])
        if place + 7 + length > len(content):  # still being written
            return
        message += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or its last part
            record: Any = messages.Record()
            record.ParseFromString(message)
            yield record
            message = b""


def complete(path: Path) -> list[Any]:
    """All messages, once the process that writes them has come to the last one."""
    deadline = time.monotonic() + 30
    while not (found := list(records(path))) or not found[-1].HasField("exit"):
        assert time.monotonic() < deadline, f"{path} was never finished"
        time.sleep(0.1)
    return found


def values(items: Any) -> dict[str, Any]:
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}


@pytest.fixture(scope="module")
def resumed(shapes: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch that went on for a second one, offline."""
    folder = tmp_path_factory.mktemp("resumed")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("WANDB_API_KEY", raising=False)
        patch.setenv("HOME", str(folder))  # no ~/.netrc
        overrides = [override for override in shapes if override != "logger=csv"]
        run(folder, *overrides, "test=false")
        run(folder, f"resume={folder}", "trainer.max_epochs=2", "test=true")
    return folder


@pytest.fixture(scope="module")
def parts(resumed: Path) -> list[list[Any]]:
    """The messages of the run's two offline folders, in order."""
    return [complete(path) for path in sorted((resumed / "wandb").glob("offline-run-*/*.wandb"))]


def test_without_a_key_a_run_is_logged_offline_under_one_id(resumed: Path, parts: list[list[Any]]) -> None:
    record = json.loads((resumed / "run.json").read_text())
    assert len(parts) == 2
    for part in parts:
        (started,) = [one.run for one in part if one.HasField("run")][:1]
        assert started.run_id == record["wandb_id"]
        assert started.project == "video-adapters"


def test_steps_go_on_where_the_run_was_left(parts: list[list[Any]]) -> None:
    steps = [
        [logged["trainer/global_step"] for one in part if "trainer/global_step" in (logged := values(one.history.item))]
        for part in parts
    ]
    assert min(steps[0]) == 0
    assert max(steps[0]) == 4  # five steps an epoch, counted from 0
    assert min(steps[1]) == 5
    assert max(steps[1]) == 10  # the test's: as many steps as were made


def test_config_and_metrics_can_be_searched(parts: list[list[Any]]) -> None:
    config: dict[str, Any] = {}
    for one in parts[0]:
        config |= values(one.config.update)
        config |= values(one.run.config.update)
    assert config["adapter"]["ratio"] == 0.25
    assert {"git_commit", "overrides", "encoder_fingerprint", "trainable_parameters"} <= config.keys()
    kept = {one.metric.name: one.metric.summary for one in parts[0] if one.HasField("metric")}
    assert kept["val/top1"].max
    assert kept["val/loss"].min


def test_the_best_checkpoint_is_an_artifact(parts: list[list[Any]], resumed: Path) -> None:
    models = [
        one.artifact for part in parts for one in part if one.HasField("artifact") and one.artifact.type == "model"
    ]
    assert {"best", "latest"} <= set(models[-1].aliases)
    (entry,) = models[-1].manifest.contents
    assert entry.path == "model.ckpt"
    assert entry.size == (resumed / "checkpoints" / "best.ckpt").stat().st_size


def test_the_test_is_shown_by_class_as_a_matrix_and_in_pictures(parts: list[list[Any]]) -> None:
    logged: dict[str, Any] = {}
    for one in parts[1]:
        logged |= values(one.history.item)
    assert logged["test/per_class.nrows"] == 12
    assert logged["test/confusion_table.nrows"] == 12 * 12
    assert 0 < logged["test/worst.count"] <= 8
    assert logged["test/worst.width"] == 8 * 96
    assert "taken for" in logged["test/worst.captions"][0]


@pytest.mark.parametrize("growth", [b"", b"the end"])
def test_an_offline_file_that_does_not_grow_at_its_end_is_told(
    growth: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "run.wandb"
    file.write_bytes(b"figures")

    def finish(exit_code: int) -> None:
        Timer(0.05, lambda: file.write_bytes(b"figures" + growth)).start()  # by another process, a little later

    monkeypatch.setattr(wandb, "run", SimpleNamespace(offline=True, settings=SimpleNamespace(sync_file=str(file))))
    monkeypatch.setattr(wandb, "finish", finish)
    monkeypatch.setattr(loggers, "WRITTEN", 0.2)
    with wandb_run():
        pass
    assert (f"W&B could not write {file} to its end" in caplog.text) == (not growth)


def test_wandb_is_handed_nothing_that_it_warns_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handed: dict[str, Any] = {}

    def init(**settings: Any) -> Any:
        handed.update(settings)
        return SimpleNamespace(define_metric=lambda *_, **__: None)

    monkeypatch.setattr(wandb, "init", init)
    monkeypatch.setenv("WANDB_MODE", "offline")
    wandb_logger(project="p", name="n", save_dir=str(tmp_path))
    assert handed["project"] == "p"
    assert "anonymous" not in handed


def test_jobs_of_a_sweep_are_a_group_also_over_experiments(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = composed("logger=default").logger.wandb
    record = {"wandb_id": "a", "choices": {"experiment": "moving_shapes_lora", "hparams_search": "ablation"}}
    assert _identity(entry, record)["group"] is None
    swept = SimpleNamespace(mode=RunMode.MULTIRUN, sweep=SimpleNamespace(dir="logs/sweeps/ablation"))
    monkeypatch.setattr(HydraConfig, "initialized", lambda: True)
    monkeypatch.setattr(HydraConfig, "get", lambda: swept)
    assert _identity(entry, record)["group"] == "ablation, ablation"
    assert _identity(entry, record)["tags"] == ["moving_shapes_lora", "ablation"]


@pytest.mark.parametrize("error", [Interrupted(signal.SIGTERM, Path("last.ckpt")), KeyboardInterrupt(), RuntimeError()])
def test_a_run_that_was_cut_short_is_no_finished_one(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int | None] = []
    monkeypatch.setattr(wandb, "finish", lambda exit_code=None: ended.append(exit_code))
    with pytest.raises(type(error)), wandb_run():
        raise error
    with wandb_run():
        pass
    assert ended == [1, 0]


def test_a_run_that_stops_before_it_trains_ends_before_the_next_job(
    shapes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int | None] = []
    monkeypatch.setattr(wandb, "finish", lambda exit_code=None: ended.append(exit_code))
    with pytest.raises(Exception, match="no_such"):
        run(tmp_path, *shapes, "trainer.strategy=no_such")
    assert ended == [1]
