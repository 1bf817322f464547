"""The ladder: its rungs' commands, what fits into the minutes, going on, and its advice."""

import csv
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from video_adapters.commands.config import PROJECT
from video_adapters.commands.grammar import key_of
from video_adapters.training.ladder import climb as ladder
from video_adapters.training.ladder.climb import request_of
from video_adapters.training.ladder.fitting import EPOCHS, STARTING, Workload, measured_speed
from video_adapters.training.ladder.ladder_table import Row, show
from video_adapters.training.ladder.next_step import next_step
from video_adapters.training.ladder.rungs import (
    ADAPTERS,
    BEST_PROBE,
    LONGER,
    MEAN,
    NAMES,
    RUNGS,
    Rung,
    from_probe,
    recipe_of,
)
from video_adapters.training.ladder.train_process import End

from helpers.toy import composed


def row(rung: Rung, top1: float = 0.0, missing: str = "", videos: int = 200, tested_as: str = "test") -> Row:
    scores = {
        "val/top1": top1,
        "val/videos": videos,
        f"{tested_as}/top1": round(top1 - 0.02, 3),
        f"{tested_as}/videos": 400,
    }
    return Row(rung=rung, scores={} if missing else scores, missing=missing, minutes=1.5, memory=0.9, checkpoint=0.25)


def lines_of(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "ladder.csv").read_text().splitlines()))


# Of 200 videos the 95 % intervals are: 0.10: 0.066 to 0.149; 0.50: 0.431 to 0.569; 0.57: 0.501 to 0.637
@pytest.mark.parametrize(
    ("figures", "advice"),
    [
        ({}, "Next: the same command with more minutes"),
        ({MEAN: 0.10, BEST_PROBE: 0.10, ADAPTERS: 0.09, LONGER: 0.10}, "Next: no rung is surely above 8.3%"),
        (
            {MEAN: 0.30, BEST_PROBE: 0.50},
            "Next: probe is the answer so far (L/probe/checkpoints/best.ckpt); of adapters: no",
        ),
        ({MEAN: 0.50, BEST_PROBE: 0.30}, "Next: mean is the answer so far"),
        ({NAMES: 0.52, MEAN: 0.30, BEST_PROBE: 0.50, ADAPTERS: 0.55}, "Next: keep names (L/names/"),
        (
            {MEAN: 0.30, BEST_PROBE: 0.50, ADAPTERS: 0.56},
            "Next: keep probe (L/probe/checkpoints/best.ckpt): adapters reach",
        ),
        ({MEAN: 0.30, BEST_PROBE: 0.50, ADAPTERS: 0.40}, "Next: keep probe"),
        (
            {MEAN: 0.30, BEST_PROBE: 0.50, ADAPTERS: 0.57},
            "Next: train longer with adapters, by the same command with more minutes: adapters reach 57.0%",
        ),
        (
            {BEST_PROBE: 0.50, ADAPTERS: 0.55, LONGER: 0.70},
            "Next: train longer with adapters, from init_from=L/longer/checkpoints/best.ckpt: ad",
        ),
        (
            {BEST_PROBE: 0.50, ADAPTERS: 0.70, LONGER: 0.70},
            "Next: keep the adapters (L/adapters/checkpoints/best.ckpt)",
        ),
    ],
)
def test_the_advice_follows_its_rules(figures: dict[Rung, float], advice: str) -> None:
    rows = [row(rung, figures[rung]) if rung in figures else row(rung, missing="no time") for rung in RUNGS]
    assert next_step(rows, chance=1 / 12, folder=Path("L")).startswith(advice)


def test_chance_is_the_share_of_the_most_frequent_class() -> None:
    rows = [row(BEST_PROBE, 0.5), row(ADAPTERS, missing="no time")]
    assert "surely above 45.0%" in next_step(rows, chance=0.45, folder=Path("L"))
    assert "surely above" not in next_step(rows, chance=0.42, folder=Path("L"))


def test_a_rungs_command_has_the_words_that_mean_something_to_it() -> None:
    words = ["data=csv", "adapter=st_adapter", "adapter.ratio=0.25", "probe.folds=3", "trainer.max_epochs=7"]
    recipe = recipe_of(words)
    frozen = ["adapter=frozen", "probe=default", "probe.fit_validation=false"]
    common = ["experiment=own_videos", "data=csv"]
    assert recipe.command(BEST_PROBE) == [*common, "probe.folds=3", "trainer.max_epochs=7", *frozen]
    assert recipe.command(NAMES) == [*common, "adapter=frozen", "head=names", "trainer.max_epochs=0"]
    assert recipe.command(ADAPTERS) == [*common, *words[1:3], words[4]]
    probe = composed(*recipe.command(MEAN), "data.root=/videos").probe
    assert (probe.reads, [head for head, grid in probe.trained.items() if grid]) == (["mean"], ["linear"])


@pytest.mark.parametrize(
    ("words", "experiment"),
    [
        ([], "moving_shapes_crowded"),
        (["data=moving_shapes"], "moving_shapes"),
        (["data=folders"], "own_videos"),
        (["data=ssv2"], "own_videos"),
        (["data=ssv2", "experiment=aim_ssv2"], "aim_ssv2"),
    ],
)
def test_adapters_have_the_recipe_of_the_datas_name_or_that_for_own_videos(words: list[str], experiment: str) -> None:
    assert recipe_of(words).experiment == experiment


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("--minutes", r"'--minutes' cannot be read: expected minutes=N"),
        ("folders", r"'folders' cannot be read"),
        ("minutes=0", r"minutes=0, expected a number above 0"),
        ("minutes=soon", r"minutes=soon, expected a number above 0"),
        ("head.dropout=0", r"head.dropout=0: each rung of the ladder has its own head.dropout"),
        ("resume=logs", r"resume=logs: each rung"),
        ("probe.reads=[mean]", r"probe.reads=\[mean\]: each rung"),
    ],
)
def test_words_that_ask_for_no_ladder_are_refused(word: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        request_of([word])


def test_rungs_are_compared_by_top_1_alone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"compares its rungs by top-1: leave best_by\.one=mean_class out"):
        ladder.climb(["data=moving_shapes", f"folder={tmp_path}", "best_by.one=mean_class"])


def test_a_ladders_folder_is_that_of_the_same_words_whatever_the_minutes() -> None:
    words = ["data=folders", "data.root=/videos/mine"]
    folder = request_of(words).folder
    assert request_of([*words, "minutes=90", "logger=csv"]).folder == folder
    assert request_of(["data=folders", "data.root=/videos/others"]).folder != folder
    assert request_of([*words, "folder=/mine"]).folder == Path("/mine")


def test_the_pages_commands_ask_for_ladders() -> None:
    lines = re.findall(r"^python src/ladder.py (.*)$", (PROJECT / "docs" / "ladder.md").read_text(), re.M)
    assert len(lines) >= 3
    for line in lines:
        words = shlex.split(line, comments=True)
        assert request_of(words).recipe.experiment in ("own_videos", "moving_shapes_crowded")


def test_adapters_begin_on_what_the_probe_reads(tmp_path: Path) -> None:
    head = {"_target_": "video_adapters.model.heads.mean.MeanHead", "dropout": 0.5, "standardise": True}
    config = {"head": head, "model": {"depth": 3, "pool": "patches", "weights": None}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    words = from_probe(tmp_path, Path("best.ckpt"))
    assert words == ["init_from=best.ckpt", "head=mean", "head.standardise=true", "model.depth=3", "model.pool=patches"]
    cfg = composed("experiment=own_videos", "data.root=/videos", *words)
    assert dict(cfg.head) == head
    assert (cfg.model.depth, cfg.model.pool) == (3, "patches")


# a step of 10 clips takes 5 s, a validation of 40 clips 10 s, the test of 80 clips 20 s: an epoch of 20 steps 110 s
WORK = Workload(steps=400, per_epoch=20, per_step=10, scored=(40, 80))
WHOLE = 20 * 110 + 20 + STARTING


def test_a_recipe_that_fits_is_left_as_it_is_but_for_a_time_limit() -> None:
    assert WORK.fitting(WHOLE, clips_per_s=2) == (400, ["+trainer.max_time={seconds:2200}"])
    assert WORK.fitting(WHOLE - 1, clips_per_s=2).words[0] == "trainer.max_epochs=10"
    assert WORK.fitting(WHOLE - 1, clips_per_s=2).steps == 400  # with fewer validations


def test_a_recipe_is_shortened_so_that_its_scores_fit_too() -> None:
    fit = WORK.fitting(20 + STARTING + EPOCHS * (10 + 7 * 5), clips_per_s=2)
    assert fit.steps == 70
    assert fit.words[:3] == ["trainer.max_epochs=10", "batch.steps_per_epoch=7", "schedule.warmup_epochs=1"]
    assert WORK.fitting(STARTING, clips_per_s=2).steps == 0
    seconds = WORK.seconds_for(50, clips_per_s=2)
    assert WORK.fitting(seconds, clips_per_s=2).steps == 50


def test_speed_is_the_median_of_what_a_run_logged_after_its_start(tmp_path: Path) -> None:
    assert measured_speed(tmp_path) is None
    (tmp_path / "metrics.csv").write_text("step,speed/clips_per_s\n0,1\n1,8\n1,\n2,9\n3,4\n")
    assert measured_speed(tmp_path) == 8


def test_the_table_is_written_with_what_is_not_there_in_words(tmp_path: Path) -> None:
    rows = [row(NAMES, missing="left out: no text tower"), row(MEAN, 0.3, tested_as="val_as_test")]
    show(rows, tmp_path)
    lines = lines_of(tmp_path)
    assert [line["rung"] for line in lines] == ["names", "mean"]
    assert lines[0]["missing"] == "left out: no text tower"
    assert (lines[1]["val_top1"], lines[1]["test_top1"], lines[1]["tested_as"]) == ("0.3", "0.28", "val_as_test")
    text = (tmp_path / "ladder.md").read_text()
    assert "| mean: mean over frames of frozen features (control: cannot tell order) | 30.0% (24.1 to 36.7) |" in text
    assert "The test is of the videos that chose the checkpoint" in text


class StandIn:
    """Runs that take no time: they leave what a finished run does, or are stopped."""

    def __init__(self, stopped_at: str = "", status: int = 0) -> None:
        self.stopped_at, self.status = stopped_at, status
        self.commands: list[list[str]] = []

    def __call__(self, words: Sequence[str]) -> End:
        self.commands.append(list(words))
        given = {key_of(word): word.partition("=")[2] for word in words}
        folder = Path(given.get("hydra.run.dir") or given["resume"])
        (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        (folder / "metrics.csv").write_text("step,speed/clips_per_s\n0,400\n")
        stopped = folder.name == self.stopped_at
        if stopped and not self.status:
            (folder / "checkpoints" / "last.ckpt").touch()
            (folder / "run.json").write_text(json.dumps({"overrides": []}))
            return End(130, signal.SIGINT)
        if stopped:
            return End(self.status, None)
        model = {"depth": 3, "pool": None}
        head = {"_target_": "video_adapters.model.heads.linear_in_order.LinearInOrderHead", "dropout": 0.0}
        (folder / "config.yaml").write_text(yaml.safe_dump({"head": head, "model": model}))
        scores = {"val/top1": 0.5, "val/videos": 24.0, "test/top1": 0.5, "test/videos": 24.0}
        (folder / "run.json").write_text(json.dumps({"overrides": [], "finished": "now", "scores": scores}))
        return End(0, None)

    @property
    def names(self) -> list[str]:
        return [
            Path(word.split("=", 1)[1]).name
            for words in self.commands
            for word in words
            if word.startswith(("hydra.run.dir=", "resume="))
        ]


@pytest.fixture
def climbed(shapes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., StandIn]:
    """Climbs with runs that are stood in for, as far as they go."""

    def climb(*words: str, **how: object) -> StandIn:
        runs = StandIn(**how)  # type: ignore[arg-type]
        monkeypatch.setattr(ladder, "train", runs)
        with suppress(SystemExit):
            ladder.climb([*shapes, f"folder={tmp_path}", *words])
        return runs

    return climb


def test_finished_rungs_are_read_and_a_stopped_one_goes_on(
    climbed: Callable[..., StandIn], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert climbed(stopped_at="adapters").names == ["mean", "probe", "trial", "adapters"]
    assert "go on with the ladder: python src/ladder.py" in capsys.readouterr().out
    runs = climbed()
    assert runs.commands[0] == [f"resume={tmp_path / 'adapters'}"]
    assert runs.names == ["adapters", "longer"]
    assert f"init_from={tmp_path / 'adapters' / 'checkpoints' / 'best.ckpt'}" in runs.commands[1]
    assert climbed().commands == []
    printed = capsys.readouterr().out
    assert "names: left out: head=names reads class names by the encoder's text tower" in printed.replace("\n", " ")
    assert "\nNext: keep mean" in printed


def test_a_probe_that_was_stopped_begins_again(climbed: Callable[..., StandIn], tmp_path: Path) -> None:
    assert climbed(stopped_at="probe").names == ["mean", "probe"]
    assert climbed().names[0] == "probe"
    assert not (tmp_path / "probe" / "checkpoints" / "last.ckpt").exists()


def test_what_does_not_fit_into_the_minutes_is_not_started(climbed: Callable[..., StandIn], tmp_path: Path) -> None:
    assert climbed("minutes=0.1").names == ["mean", "probe", "trial"]
    missing = {line["rung"]: line["missing"] for line in lines_of(tmp_path)}
    assert missing["adapters"].startswith("not started: 0 steps would fit, and fewer than 5 say nothing; minutes=")
    assert missing["longer"] == "not started: there are no adapters yet that could be trained on"
    state = json.loads((tmp_path / "ladder.json").read_text())
    (tmp_path / "ladder.json").write_text(json.dumps(state | {"seconds": {"mean": 120.0}}))
    assert climbed("minutes=1").names == []
    assert climbed("minutes=9").names == ["adapters", "longer"]


def test_adapters_with_features_of_their_own_do_not_begin_from_a_probe(
    climbed: Callable[..., StandIn], tmp_path: Path
) -> None:
    assert climbed("adapter=side4video_shapes").names == ["mean", "probe"]
    missing = {line["rung"]: line["missing"] for line in lines_of(tmp_path)}
    assert missing["adapters"].startswith("left out: this adapter has features of its own")


def test_a_rung_that_fails_ends_the_ladder_and_another_recipe_its_folder(climbed: Callable[..., StandIn]) -> None:
    with pytest.raises(ValueError, match=r"probe failed, as is said above \(status 1\); the same command goes on"):
        climbed(stopped_at="probe", status=1)
    with pytest.raises(ValueError, match=r"holds the ladder of .*: give the same words, or another folder=PATH"):
        climbed("data.num_frames=4")


@pytest.mark.slow
def test_a_ladder_is_climbed_and_goes_on_after_ctrl_c(shapes: list[str], tmp_path: Path) -> None:
    own = [word for word in shapes if word not in ("~callbacks.speed", "trainer.max_epochs=1", "model=toy_vit")]
    words = [
        "model=toy_clip",
        *own,
        "trainer.max_epochs=20",
        "callbacks.last.every_n_steps=2",
        "probe.trained.map=null",
        "probe.trained.attentive=null",
        "probe.epochs=1",
        f"folder={tmp_path}/ladder",
    ]
    first = start(tmp_path, *words)
    wait_for(first, tmp_path, tmp_path / "ladder" / "adapters" / "checkpoints" / "last.ckpt")
    first.send_signal(signal.SIGINT)
    assert first.wait(timeout=60) == 130, printed(tmp_path)
    assert "go on with the ladder: python src/ladder.py" in printed(tmp_path)
    stopped = json.loads((tmp_path / "ladder" / "ladder.json").read_text())["seconds"]
    second = start(tmp_path, *words)
    assert second.wait(timeout=600) == 0, printed(tmp_path)
    assert printed(tmp_path).splitlines().count(f"python src/train.py resume={tmp_path / 'ladder' / 'adapters'}") == 1
    lines = {line["rung"]: line for line in lines_of(tmp_path / "ladder")}
    for name in ("names", "mean", "probe", "adapters", "longer"):
        assert lines[name]["missing"] == ""
        assert float(lines[name]["val_videos"]) == float(lines[name]["test_videos"]) == 24
        assert min(float(lines[name][cost]) for cost in ("minutes", "memory_gib", "checkpoint_mb")) > 0
    seconds = json.loads((tmp_path / "ladder" / "ladder.json").read_text())["seconds"]
    assert seconds["probe"] == stopped["probe"]
    assert seconds["adapters"] > stopped["adapters"]
    assert printed(tmp_path).splitlines()[-1].startswith("Next: ")


def start(folder: Path, *words: str) -> "subprocess.Popen[bytes]":
    """Starts the command, its output in a file."""
    command = [sys.executable, str(PROJECT / "src" / "ladder.py"), *words]
    with (folder / "output.txt").open("ab") as output:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(command, stdout=output, stderr=output, env=environment, stdin=subprocess.DEVNULL)


def printed(folder: Path) -> str:
    return (folder / "output.txt").read_text()


def wait_for(process: "subprocess.Popen[bytes]", folder: Path, path: Path) -> None:
    for _ in range(12000):
        if path.exists():
            return
        assert process.poll() is None, printed(folder)
        time.sleep(0.05)
    raise AssertionError(f"{path} did not come")
