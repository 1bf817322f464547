"""Sweeps: what each search sweeps over, and what becomes of finished, failing and killed jobs."""

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from video_adapters.commands import command, run_folders
from video_adapters.commands.config import config_names
from video_adapters.commands.signals import Interrupted
from video_adapters.model.build import build_classifier
from video_adapters.training import sweep
from video_adapters.training.callbacks.sweep_report import SweepReport, swept_keys
from video_adapters.training.planning.plan import PLANNED, _changed
from video_adapters.training.record import resumed

from helpers.toy import CONFIGS, SMALL, composed, run

SRC = CONFIGS.parent / "src"
SEARCHES = config_names("hparams_search")


@pytest.mark.parametrize("search", SEARCHES)
def test_every_search_sweeps_over_models_that_can_be_built(search: str) -> None:
    params: Any = OmegaConf.load(CONFIGS / "hparams_search" / f"{search}.yaml").hydra.sweeper.params
    assert f"hparams_search={search}" in (CONFIGS / "hparams_search" / f"{search}.yaml").read_text()
    for key, values in params.items():
        parsed = OverridesParser.create().parse_override(f"{key}={values}")
        assert parsed.is_sweep_override()
        if parsed.is_interval_sweep():
            continue
        if key == "experiment":  # each of which is built by the tests of experiments
            assert set(parsed.sweep_string_iterator()) <= set(config_names("experiment"))
            continue
        for value in parsed.sweep_string_iterator():
            # the optuna search overrides Hydra's own sweeper, which takes `--multirun`
            group = [] if search == "optuna" else [f"hparams_search={search}"]
            cfg = composed("experiment=aim_ssv2", "model=toy_vit", *group, f"{key}={value}")
            build_classifier(cfg)


def test_an_ablation_over_experiments_lies_in_one_folder_and_other_sweeps_in_their_experiments() -> None:
    def folder(*overrides: str) -> str:
        GlobalHydra.instance().clear()
        with initialize_config_dir(str(CONFIGS), version_base="1.3"):
            cfg = compose("train", list(overrides), return_hydra_config=True)
        return str(OmegaConf.to_container(cfg.hydra.sweep)["dir"])

    assert folder("hparams_search=ablation").endswith("/sweeps/ablation_crowded")
    assert folder("hparams_search=ratio").endswith("/sweeps/${hydra.runtime.choices.experiment}")


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        (["optim.lr=1.0", "adapter.ratio=0.5"], "adapter.ratio-0.5_optim.lr-1.0"),
        (["adapter.ratio=0.5", "test=false", "swept=2", "seed=1"], "seed-1_swept-2_adapter.ratio-0.5_test-false"),
        (["logger=csv"], "defaults"),
        (["logger=csv", "swept=1"], "swept-1"),
        (["adapter.temporal=[0, 1]"], r"adapter.temporal-_0_1_________"),
        (["data.train=" + "x" * 200], "data.train-" + "x" * 79 + "_________"),
    ],
)
def test_jobs_are_named_by_what_varies_and_then_the_rest_without_signs_that_need_quoting(
    overrides: list[str], name: str, tmp_path: Path
) -> None:
    found = run_folders.job_folder(overrides, ["swept", "seed"], ["logger"], str(tmp_path))
    if name.endswith("_" * 9):  # a hash of eight signs
        assert found[:-8] == name[:-8]
        assert run_folders.job_folder([overrides[0] + " "], [], [], str(tmp_path)) != found
    else:
        assert found == name


@pytest.mark.parametrize("length", [1, 100])
def test_a_job_that_another_command_has_named_in_another_order_keeps_its_folder(length: int, tmp_path: Path) -> None:
    overrides = ["data.max_videos=8", "seed=0", "name=" + "x" * length]
    before = run_folders.job_folder(overrides, ["seed"], [], str(tmp_path))
    assert before.startswith("seed-0_data.max_videos-8_name")
    (tmp_path / before).mkdir()
    (tmp_path / "seed-1_data.max_videos-8").mkdir()
    assert run_folders.job_folder(overrides, ["data.max_videos"], [], str(tmp_path)) == before
    assert run_folders.job_folder([*overrides, "test=false"], ["seed"], [], str(tmp_path)) not in (before, "")


def test_what_a_sweep_varies_is_told_by_its_search_and_by_its_command_line() -> None:
    typed = ["optim.lr=1.0", "+seed=0,1", "adapter.drop_path=interval(0, 1)", "adapter.temporal=[0,1]"]
    hydra = {"overrides": {"task": typed}, "sweeper": {"params": {"adapter.ratio": "0.25,0.5"}}}
    assert swept_keys(OmegaConf.create({"hydra": hydra})) == ["adapter.ratio", "seed", "adapter.drop_path"]


def test_a_job_of_another_config_is_refused_and_where_data_lie_is_no_other_config(
    shapes: list[str], tmp_path: Path
) -> None:
    run(tmp_path, *shapes, "test=false", "data.max_videos=8")
    cfg = composed(*shapes, "test=false", "data.max_videos=8", f"run_dir={tmp_path}", "name=toy")
    sweep._refuse_another(cfg, tmp_path)
    cfg.data.root = "/elsewhere"
    sweep._refuse_another(cfg, tmp_path)
    cfg.optim.lr = 1.0
    with pytest.raises(ValueError, match=r"config was another: optim.lr was .* and is 1.0 \(1 key changed in all\)"):
        sweep._refuse_another(cfg, tmp_path)


def job(folder: Path, *overrides: str) -> DictConfig:
    """The config of a job in a folder."""
    return composed(*SMALL, *overrides, f"run_dir={folder}", "name=toy")


def leave(folder: Path, cfg: DictConfig, overrides: list[str], **record: Any) -> None:
    """Writes what an earlier start of a job leaves: its config, its record, its state."""
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "last.ckpt").touch()
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(cfg, resolve=True))
    (folder / "run.json").write_text(json.dumps({"overrides": overrides, **record}))


def test_what_a_plan_decides_is_no_other_config(tmp_path: Path) -> None:
    cfg = job(tmp_path, "memory.plan=auto", "gpu=gtx1080ti")
    leave(tmp_path, _changed(cfg, dict(zip(PLANNED, (2, 1), strict=True)), reserved=1), [])
    sweep._refuse_another(cfg, tmp_path)
    cfg.memory.plan = None
    with pytest.raises(ValueError, match=r"batch.per_device was 2 and is 4 "):
        sweep._refuse_another(cfg, tmp_path)


def test_a_job_whose_folder_was_moved_is_the_same_job(tmp_path: Path) -> None:
    leave(tmp_path / "before", job(tmp_path / "before"), [])
    (tmp_path / "before").rename(tmp_path / "after")
    sweep._refuse_another(job(tmp_path / "after"), tmp_path / "after")


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[DictConfig]:
    """The configs that jobs would train by, as far as they come to it."""
    configs: list[DictConfig] = []

    def train(cfg: DictConfig, overrides: list[str]) -> dict[str, float]:
        configs.append(resumed(cfg, overrides)[0] if cfg.resume else cfg)
        return {"val/top1": 0.5}

    monkeypatch.setattr(sweep, "train", train)
    monkeypatch.setattr(sweep, "take_gpu", lambda: None)
    monkeypatch.setattr(HydraConfig, "initialized", lambda: True)
    monkeypatch.setattr(HydraConfig, "get", lambda: SimpleNamespace(mode=RunMode.MULTIRUN))
    return configs


def test_an_interrupted_job_goes_on(trained: list[DictConfig], tmp_path: Path) -> None:
    cfg = job(tmp_path)
    leave(tmp_path, cfg, SMALL)
    assert sweep.run_or_job(cfg, SMALL) == {"val/top1": 0.5}
    assert [cfg.resume for cfg in trained] == [str(tmp_path)]


@pytest.mark.parametrize(
    ("overrides", "loggers"),
    [
        (["logger=none"], []),
        (["logger=default"], ["wandb", "csv"]),
        (["hparams_search=ratio", "data.num_workers=1"], ["csv"]),
    ],
    ids=" ".join,
)
def test_an_interrupted_job_goes_on_with_what_does_not_name_its_folder_changed(
    trained: list[DictConfig], tmp_path: Path, overrides: list[str], loggers: list[str]
) -> None:
    leave(tmp_path, job(tmp_path), SMALL)
    assert sweep.run_or_job(job(tmp_path, *overrides), [*SMALL, *overrides])
    assert not (tmp_path / "failed.json").exists()
    assert [list(cfg.logger) for cfg in trained] == [loggers]
    assert trained[0].data.num_workers == ("data.num_workers=1" in overrides)


def test_an_interrupted_job_is_no_failed_one(
    trained: list[DictConfig], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(cfg: DictConfig, overrides: list[str]) -> dict[str, float]:
        raise Interrupted(signal.SIGTERM, tmp_path / "checkpoints" / "last.ckpt")

    monkeypatch.setattr(sweep, "train", interrupted)
    with pytest.raises(Interrupted):
        sweep.run_or_job(job(tmp_path), SMALL)
    assert list(tmp_path.iterdir()) == []


def test_a_job_of_another_config_fails_and_is_not_trained(trained: list[DictConfig], tmp_path: Path) -> None:
    leave(tmp_path, job(tmp_path), SMALL, finished="yesterday", scores={"val/top1": 0.5})
    assert sweep.run_or_job(job(tmp_path), SMALL) == {"val/top1": 0.5}
    assert sweep.run_or_job(job(tmp_path, "optim.lr=1.0"), SMALL) == {}
    assert "config was another: optim.lr was" in (tmp_path / "failed.json").read_text()
    assert trained == []


def test_a_failed_job_returns_nothing_which_a_search_counts_as_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    main = runpy.run_path(str(SRC / "train.py"))["main"]
    monkeypatch.setattr(command, "command_line", list)
    for scores, returned in ({}, None), ({"val/top1": 0.5}, 0.5):
        monkeypatch.setattr(sweep, "run_or_job", lambda cfg, overrides, scores=scores: scores)
        assert main(OmegaConf.create({"data": {"labels": "one"}, "best_by": {"one": "top1"}})) == returned


SCORES = {"val/top1": 0.5, "val/videos": 10.0}


def begun(folder: Path, *jobs: str) -> tuple[SweepReport, DictConfig]:
    """The report of a sweep that has started these jobs, as Hydra calls it."""
    overrides = {"task": [], "hydra": []}
    cfg = OmegaConf.create({"hydra": {"sweep": {"dir": str(folder)}, "overrides": overrides, "sweeper": {}}})
    report = SweepReport()
    report.on_multirun_start(cfg)
    for name in jobs:
        (folder / name).mkdir(parents=True)
        report.on_job_start(OmegaConf.create({"hydra": {"runtime": {"output_dir": str(folder / name)}}}))
    return report, cfg


@pytest.mark.parametrize(("figure", "title"), [("mAP", "mAP"), ("mean_class", "mean class accuracy")])
def test_jobs_are_listed_by_the_figure_that_they_were_judged_by(
    figure: str, title: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report, cfg = begun(tmp_path, "seed-0", "seed-1", "seed-2")
    for name, value in {"seed-0": 0.5, "seed-1": 0.75}.items():
        scores = {f"val/{figure}": value, "val/videos": 10.0, f"test/{figure}": 0.25, "test/videos": 10.0}
        scores |= {} if figure == "mAP" else {"test/top1": 0.9}
        record = {"overrides": [name.replace("-", "=")], "scores": scores, "finished": "2026-01-01"}
        (tmp_path / name / "run.json").write_text(json.dumps(record))
    (tmp_path / "seed-2" / "failed.json").write_text(json.dumps({"overrides": ["seed=2"], "error": "no"}))
    with pytest.raises(SystemExit):
        report.on_multirun_end(cfg)
    printed = " ".join(capsys.readouterr().out.split())
    assert f"val {title}" in printed
    assert f"test {title}" in printed
    assert "top-1" not in printed
    assert printed.index("75.0%") < printed.index("50.0%")


@pytest.mark.parametrize("error", ["[enforce fail at alloc.cpp:1] no memory", "no [/x] in :x:"])
def test_failures_are_listed_as_they_are_and_end_with_status_1(
    error: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "[/bold]"
    report, cfg = begun(folder, "seed-1")
    failure = {"overrides": ["seed=1"], "error": f"Traceback\n{error}"}
    (folder / "seed-1" / "failed.json").write_text(json.dumps(failure))
    with pytest.raises(SystemExit, match=r"1 job failed"):
        report.on_multirun_end(cfg)
    said = capsys.readouterr().out
    assert f"failed: {error}" in said
    assert "[/bold]" in "".join(said.split())  # the title is folded


def test_a_table_that_cannot_be_shown_hides_no_failure(tmp_path: Path) -> None:
    report, cfg = begun(tmp_path, "seed-1", "seed-2")
    for name in ("seed-1", "seed-2"):
        (tmp_path / name / "failed.json").write_text("{")
    with pytest.raises(SystemExit, match=r"2 jobs failed"):
        report.on_multirun_end(cfg)


def test_jobs_and_failures_of_other_commands_in_the_folder_are_not_this_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leave(tmp_path / "seed-7", OmegaConf.create(), ["seed=7"], finished="before", scores={"val/top1": 0.5})
    begun(tmp_path, "seed-8")  # another command, at the same time
    (tmp_path / "seed-8" / "failed.json").write_text(json.dumps({"overrides": ["seed=8"], "error": "elsewhere"}))
    report, cfg = begun(tmp_path, "seed-1")
    (tmp_path / "seed-1" / "run.json").write_text(
        json.dumps({"overrides": ["seed=1"], "finished": "now", "scores": SCORES})
    )
    report.on_multirun_end(cfg)
    said = capsys.readouterr().out
    assert "seed-1" in said
    assert "50.0% (23.7 to 76.3)" in said
    assert "seed-7" not in said
    assert "seed-8" not in said


def test_jobs_of_one_machine_take_a_gpu_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(sweep, "_gpu", None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    taken = []
    for _ in range(2):  # as two processes would: each has a lock of its own
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
        monkeypatch.setattr(sweep, "_gpu", None)
        sweep.take_gpu()
        taken.append((os.environ["CUDA_VISIBLE_DEVICES"], sweep._gpu))
        sweep.take_gpu()  # the process's next job stays where it is
    assert [number for number, _ in taken] == ["2", "5"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    monkeypatch.setattr(sweep, "_gpu", None)
    with pytest.raises(ValueError, match=r"all 2 GPUs are taken .* set hydra.launcher.n_jobs=2"):
        sweep.take_gpu()
    for _, lock in taken:
        assert lock
        lock.close()


def test_the_processes_of_torchrun_keep_all_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(sweep, "_gpu", None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    for name in ("LOCAL_RANK", "TORCHELASTIC_RUN_ID", "SLURM_PROCID"):
        with monkeypatch.context() as patch:
            patch.setenv(name, "0")
            sweep.take_gpu()
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "2,5"


def start(folder: Path, *overrides: str) -> "subprocess.Popen[str]":
    command = [sys.executable, str(SRC / "train.py"), "-m", *overrides, f"hydra.sweep.dir={folder}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(SRC)}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, start_new_session=True
    )


@pytest.mark.slow
def test_failing_jobs_are_listed_and_the_others_finish_once(shapes: list[str], tmp_path: Path) -> None:
    """A job with a value that is refused, and one that comes to NaN."""
    small = [*shapes, "data.max_videos=24", "test=false"]
    process = start(tmp_path / "sweep", *small, "hparams_search=seeds", "seed=0,-1", "optim.lr=1e-3,1e30")
    said = process.communicate(timeout=300)[0]
    assert process.returncode == 1, said
    assert "3 jobs failed" in said
    assert "seed=-1" in said
    assert "failed: seed is -1, expected at least 0" in said
    errors = [json.loads(path.read_text())["error"] for path in (tmp_path / "sweep").glob("*/failed.json")]
    assert sorted("step 2 has the loss" in error for error in errors) == [False, False, True]
    (finished,) = (json.loads(path.read_text()) for path in _finished(tmp_path / "sweep"))
    assert "val/top1" in finished["scores"]


@pytest.mark.slow
def test_a_killed_sweep_of_six_jobs_runs_the_missing_ones_only(shapes: list[str], tmp_path: Path) -> None:
    sweep_of_six = [*shapes, "data.max_videos=16", "test=false", "seed=0,1,2,3,4,5"]
    folder = tmp_path / "sweep"
    process = start(folder, *sweep_of_six)
    deadline = time.monotonic() + 300
    while len(finished := _finished(folder)) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before = {path: path.read_text() for path in finished}
    assert 2 <= len(before) < 6
    process = start(folder, *sweep_of_six)
    said = process.communicate(timeout=300)[0]
    assert process.returncode == 0, said
    assert len(_finished(folder)) == 6
    assert said.count("not run again") == len(before)
    assert {path: path.read_text() for path in before} == before


def _finished(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*/run.json") if '"finished"' in path.read_text()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "jobs"),
    [
        (["seed=0,1", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"], 2),
        (["seed=0,1", "hydra/launcher=submitit_local"], 2),
        (["hparams_search=optuna", "hydra.sweeper.n_trials=3"], 3),
    ],
    ids=["joblib", "submitit", "optuna"],
)
def test_other_launchers_and_a_search_run_their_jobs(
    options: list[str], jobs: int, shapes: list[str], tmp_path: Path
) -> None:
    process = start(tmp_path, *shapes, "data.max_videos=8", *options)
    said = process.communicate(timeout=300)[0]
    assert process.returncode == 0, said
    assert len(_finished(tmp_path)) == jobs


@pytest.mark.slow
def test_a_search_goes_on_after_a_job_that_came_to_nan(shapes: list[str], tmp_path: Path) -> None:
    fixed = ["adapter.ratio=0.25", "adapter.drop_path=0.0", "optim.lr=choice(1e-3,1e30)"]
    search = ["hparams_search=optuna", "hydra.sweeper.n_trials=6", *fixed]  # both rates are drawn, and one job of each
    process = start(tmp_path, *shapes, "data.max_videos=24", *search)
    said = process.communicate(timeout=300)[0]
    assert process.returncode == 1, said
    assert "Traceback" not in said
    assert "1 job failed" in said
    assert "step 2 has the loss" in said
    assert OmegaConf.load(tmp_path / "optimization_results.yaml").best_params == {"optim.lr": 1e-3}
    assert len(_finished(tmp_path)) == 1
