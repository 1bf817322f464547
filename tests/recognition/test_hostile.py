"""A checkpoint is data, never code; and so is the folder of a run."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import torch
import yaml
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from video_adapters.analysis.runs.counted_costs import with_costs
from video_adapters.analysis.runs.folder import read_runs
from video_adapters.analysis.runs.trained import load_data, load_run
from video_adapters.analysis.runs.wandb_project import read_wandb
from video_adapters.commands.errors import UserError, explained
from video_adapters.recognition import export, predict
from video_adapters.recognition.load import load
from video_adapters.training.evaluate import evaluate
from video_adapters.training.record import resumed
from video_adapters.trust import checkpoint_file
from video_adapters.trust.arguments import buildable
from video_adapters.trust.config_file import MOST_BYTES, as_data, read_config

from helpers.hostile import ARGUMENTS, CODE, Config, hostile
from helpers.toy import composed

SRC = Path(__file__).parents[2] / "src"
ALL = {**CODE, **ARGUMENTS}


@pytest.fixture(scope="module")
def content(trained: Path) -> dict[str, Any]:
    """An honest checkpoint."""
    return torch.load(trained / "checkpoints" / "best.ckpt", weights_only=True)


@pytest.fixture
def proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What appears when code was run; names without a folder are below it too."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("SECRET", "a secret")
    return tmp_path / "here" / "proof"


def save(folder: Path, content: dict[str, Any], change: Any, proof: Path) -> Path:
    """A run's folder with a hostile config, in its checkpoint and in its config.yaml."""
    config = hostile(content["origin"]["config"], change, proof)
    (folder / "checkpoints").mkdir(parents=True)
    torch.save(content | {"origin": content["origin"] | {"config": config}}, folder / "checkpoints" / "best.ckpt")
    torch.save({}, folder / "checkpoints" / "last.ckpt")
    (folder / "config.yaml").write_text(yaml.dump(config))
    (folder / "run.json").write_text(json.dumps({"started": "2026-01-01T12:00:00+00:00", "overrides": []}))
    return folder


@contextmanager
def attacked(folder: Path, content: dict[str, Any], change: Any, proof: Path) -> Iterator[Path]:
    """A run's folder with a hostile config, of which nothing is written anywhere below `folder`."""
    run = save(folder / "run", content, change, proof)
    before = files(folder)
    yield run
    assert files(folder) == before


def files(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(path), path.stat().st_size) for path in folder.rglob("*"))


@cache
def given(config: str) -> DictConfig:
    """What the command line would give without a word on it."""
    return composed("run_dir=.", "name=toy", config=config)


def as_eval(folder: Path) -> None:
    own = {"checkpoint": f"{folder}/checkpoints/best.ckpt", "run_dir": f"{folder}/eval"}
    evaluate(OmegaConf.merge(given("eval"), own))


def as_predict(folder: Path) -> None:
    best = folder / "checkpoints" / "best.ckpt"
    predict.predict(predict.Request(checkpoint=best, videos=["x.mp4"], csv=None))


def as_export(folder: Path) -> None:
    export.export(export.Request(checkpoint=folder / "checkpoints" / "best.ckpt", format="torch_export"))


def as_resume(folder: Path) -> None:
    resumed(OmegaConf.merge(given("train"), {"resume": str(folder), "run_dir": str(folder)}), [f"resume={folder}"])


COMMANDS: list[Callable[[Path], Any]] = [as_predict, as_eval, as_export, load_run, load_data, as_resume]


QUICK = {(name, COMMANDS[(number + by) % len(COMMANDS)]) for number, name in enumerate(ALL) for by in (0, 1)}
"""By default each config meets two commands in turn, and each command a third of the configs."""


@pytest.mark.parametrize("commands", ["in turn", pytest.param("all others", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ALL)
def test_nothing_is_built_of_a_hostile_config(
    content: dict[str, Any], tmp_path: Path, proof: Path, name: str, commands: str
) -> None:
    with attacked(tmp_path, content, ALL[name], proof) as folder:
        for command in COMMANDS:
            if ((name, command) in QUICK) != (commands == "in turn"):
                continue
            with pytest.raises(ValueError, match=r"is refused, and nothing of it was run|read as a run's c") as caught:
                command(folder)
            assert "a secret" not in str(caught.value)
            assert len(str(caught.value).splitlines()) == 1, command


@pytest.mark.parametrize("name", CODE)
def test_runs_that_are_more_than_data_are_in_no_table(
    content: dict[str, Any], tmp_path: Path, proof: Path, name: str
) -> None:
    config = hostile(content["origin"]["config"], CODE[name], proof) | {"started": "2026-01-01"}
    there = SimpleNamespace(url="https://wandb.ai/a/b", config=config)
    with attacked(tmp_path, content, CODE[name], proof) as folder:
        with pytest.raises(ValueError, match=r"no run in .*looked for folders"):
            read_runs(folder)
        with pytest.raises(ValueError, match=r"holds no run of this code"):
            read_wandb("a/b", SimpleNamespace(runs=lambda project: [there]))
        with pytest.raises(ValueError, match=r"is refused, and nothing of it was run"):
            checkpoint_file.read(folder / "checkpoints" / "best.ckpt")  # which init_from does


def test_an_honest_run_is_read_beside_a_hostile_one_which_is_named(
    content: dict[str, Any], tmp_path: Path, proof: Path
) -> None:
    save(tmp_path / "logs" / "honest", content, lambda config, _: None, proof)
    save(tmp_path / "logs" / "hostile", content, CODE["in a callback"], proof)
    with pytest.warns(UserWarning, match=r"1 of 2 runs cannot be read:\n.*hostile.*callbacks\.mine\._target_ is"):
        runs = read_runs(tmp_path / "logs")
    assert [Path(path).name for path in runs["path"]] == ["honest"]


@pytest.mark.parametrize("name", ARGUMENTS)
def test_models_of_hostile_runs_are_not_counted(
    content: dict[str, Any], tmp_path: Path, proof: Path, name: str
) -> None:
    with attacked(tmp_path, content, ARGUMENTS[name], proof) as folder:
        assert with_costs(pd.DataFrame({"path": [str(folder)]}))["macs"].isna().all()


def test_an_honest_config_is_taken_as_it_is(content: dict[str, Any]) -> None:
    config = content["origin"]["config"]
    assert as_data(config, "it") == config
    assert buildable(config, "it") == config


def test_what_the_command_line_gives_is_not_the_files(content: dict[str, Any]) -> None:
    config = hostile(content["origin"]["config"], ARGUMENTS["lists outside of the data"], Path("x"))
    config["data"]["annotations"] = {
        "_target_": "video_adapters.data.annotations.VideoTable", "_partial_": True, "file": "/lists/videos.csv",
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"or give data\.annotations\.file=\.\.\. yourself"):
        buildable(config, "it")
    assert (
        buildable(config, "it", replaced=["data.annotations.file"])["data"]["annotations"]["file"]
        == "/lists/videos.csv"
    )


def test_tags_beside_those_of_configs_are_taken_from_the_cache_alone(content: dict[str, Any]) -> None:
    def cached_only(name: str, tag: str, replaced: tuple[str, ...] = ()) -> Any:
        config = hostile(content["origin"]["config"], lambda config, _: None, Path("x"))
        config["model"]["encoder"] |= {"model_name": name}
        config["model"] |= {"weights": tag}
        return buildable(config, "it", replaced)["model"].get("cached_only", False)

    assert not cached_only("vit_base_patch14_dinov2", "lvd142m")
    assert cached_only("vit_small_patch14_dinov2", "lvd142m")
    assert not cached_only("vit_small_patch14_dinov2", "lvd142m", replaced=("model.weights",))


def test_yaml_that_grows_is_refused_before_it_has_grown(tmp_path: Path) -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    cases = {
        bomb: "it has an alias",
        "a: " + "[" * 30 + "]" * 30: "levels deep",
        "b: " + "[" * 50_000 + "]" * 50_000: "cannot be read",
        "a: " + "x" * MOST_BYTES: "it has more than",
        "a: !!python/object/apply:os.system [ls]": "could not determine a constructor",
        "- a": "it is no config",
        "a: ${b": "cannot be read",
    }
    for text, message in cases.items():
        (tmp_path / "config.yaml").write_text(text)
        with pytest.raises(ValueError, match=message):
            read_config(tmp_path)


def test_checkpoints_that_never_end_are_refused(content: dict[str, Any]) -> None:
    ring: Config = {}
    ring["again"] = ring
    many: list[Any] = [1] * 10
    for _ in range(12):
        many = [many] * 10  # 10^13 values, a thousand bytes
    for value in (ring, many):
        with pytest.raises(ValueError, match="larger than"):
            as_data(content["origin"]["config"] | {"published": value}, "it")


ODD: Mapping[str, Callable[[Tensor], Tensor]] = {
    "a number for thousands": lambda value: torch.zeros(1).expand(10**6, 10**6),
    "a number for all": lambda value: torch.zeros(1).expand(value.shape),
    "shapes without values": lambda value: value.to("meta"),
    "sparse": Tensor.to_sparse,
    "complex": lambda value: value.to(torch.complex64),
    "of eight bits": lambda value: value.to(torch.float8_e4m3fn),
}


@pytest.mark.filterwarnings("ignore:Validating sparse tensor invariants")
@pytest.mark.parametrize("odd", ODD)
def test_weights_that_are_not_written_out_are_refused(content: dict[str, Any], tmp_path: Path, odd: str) -> None:
    name, value = next(iter(content["state_dict"].items()))
    torch.save(content | {"state_dict": content["state_dict"] | {name: ODD[odd](value)}}, tmp_path / "best.ckpt")
    with pytest.raises(ValueError, match=rf"{name} is no plain tensor, with a number in the file for"):
        checkpoint_file.read(tmp_path / "best.ckpt")


def test_a_layout_of_another_version_is_refused(content: dict[str, Any], tmp_path: Path) -> None:
    torch.save(content | {"origin": content["origin"] | {"version": 2}}, tmp_path / "best.ckpt")
    with pytest.raises(ValueError, match=r"layout of version 2, expected 1"):
        checkpoint_file.read(tmp_path / "best.ckpt")


def test_weights_without_names_are_refused(content: dict[str, Any], tmp_path: Path) -> None:
    torch.save(content | {"state_dict": content["state_dict"] | {3: torch.ones(1)}}, tmp_path / "best.ckpt")
    with pytest.raises(ValueError, match="it holds no weights, or more than weights"):
        checkpoint_file.read(tmp_path / "best.ckpt")


def test_a_path_that_no_system_takes_is_named_in_a_sentence(content: dict[str, Any], tmp_path: Path) -> None:
    folder = save(tmp_path / "run", content, lambda config, _: config["data"].update(root="a" * 5000), tmp_path)
    with pytest.raises(UserError, match=r"^File name too long: a"), explained():
        as_eval(folder)


def test_names_of_fewer_classes_than_the_head_has_are_refused(content: dict[str, Any], tmp_path: Path) -> None:
    names = content["origin"]["class_names"][:-1]
    torch.save(content | {"origin": content["origin"] | {"class_names": names}}, tmp_path / "best.ckpt")
    with pytest.raises(ValueError, match="names 11 classes, but tells 12 apart"):
        load(tmp_path / "best.ckpt")


@pytest.mark.parametrize("thresholds", [[0.5], [float("nan")] * 12, ["0.5"] * 12, [1.5] * 12])
def test_thresholds_that_are_no_probability_of_each_class_are_refused(
    content: dict[str, Any], tmp_path: Path, thresholds: list[Any]
) -> None:
    torch.save(content | {"origin": content["origin"] | {"thresholds": thresholds}}, tmp_path / "best.ckpt")
    with pytest.raises(ValueError, match="its thresholds are no probabilities, one of each of its 12 classes"):
        checkpoint_file.read(tmp_path / "best.ckpt")


@pytest.mark.parametrize("link", ["checkpoints", "metrics.csv"])
def test_links_do_not_lead_what_a_resumed_run_writes_out_of_its_folder(
    content: dict[str, Any], trained: Path, tmp_path: Path, link: str
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    config = OmegaConf.load(trained / "config.yaml")
    OmegaConf.save(config, run / "config.yaml")
    (tmp_path / "elsewhere").mkdir()
    assert buildable(read_config(run), run)
    (run / link).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="expected a place in the run's folder"):
        buildable(read_config(run), run)


def test_a_record_does_not_make_the_files_word_that_of_the_command_line(
    content: dict[str, Any], tmp_path: Path, proof: Path
) -> None:
    """What was given before stays as it is saved: that it is given again says nothing of the value in the file."""
    change = ARGUMENTS["lists outside of the data"]
    folder = save(tmp_path / "run", content, change, proof)
    word = "data.annotations.videos=mine"
    (folder / "run.json").write_text(json.dumps({"started": "2026-01-01T12:00:00+00:00", "overrides": [word]}))
    own = OmegaConf.merge(given("train"), {"resume": str(folder), "run_dir": str(folder)})
    with pytest.raises(ValueError, match="is refused, and nothing of it was run"):
        resumed(own, [f"resume={folder}", word])


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ["predict.py", "{run}/checkpoints/best.ckpt", "x.mp4", "--csv", "{run}/out.csv"],
        ["eval.py", "checkpoint={run}/checkpoints/best.ckpt", "run_dir={run}/eval", "hydra.run.dir={run}"],
        ["report.py", "{run}", "--out", "{run}/report.html"],
        ["train.py", "resume={run}"],
        ["train.py", "model=toy_vit", "logger=none", "hydra.run.dir={run}/n", "init_from={run}/checkpoints/best.ckpt"],
    ],
    ids=lambda words: " ".join(words[:2]),
)  # fmt: skip
def test_commands_end_in_one_sentence_and_a_status(
    content: dict[str, Any], tmp_path: Path, proof: Path, command: list[str]
) -> None:
    folder = save(tmp_path / "run", content, CODE["a target in the model"], proof)
    script, *words = command
    ended = subprocess.run(
        [sys.executable, str(SRC / script), *(word.format(run=folder) for word in words)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "model.x._target_ is 'torch.utils.collect_env.run'" in ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
    assert not proof.exists()
    assert not (folder / "report.html").exists()
