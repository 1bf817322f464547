"""What is typed reaches Hydra as it was meant, and a mistyped name is met with the one that was meant."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from video_adapters.commands import command
from video_adapters.commands.config import PROJECT, explain
from video_adapters.commands.errors import UserError
from video_adapters.commands.grammar import for_hydra, hydra_quote
from video_adapters.preparation.source import Source
from video_adapters.training.record import resumed
from video_adapters.trust.overrides import with_overrides

from helpers.toy import composed

HOME = os.path.expanduser("~")


@pytest.mark.parametrize(
    ("key", "word", "meant"),
    [
        ("data.root", "data.root=~/videos", f"{HOME}/videos"),
        ("data.root", "data.root=~", HOME),
        ("model.weights", "model.weights=~/ViT-B-16.pt", f"{HOME}/ViT-B-16.pt"),
        ("init_from", "init_from=/runs/epoch=3.ckpt", "/runs/epoch=3.ckpt"),
        ("data.root", "data.root=/josé/Tom's (1)", "/josé/Tom's (1)"),
        ("data.root", "data.root='/in quotes'", "/in quotes"),
        ("data.root", "data.root=/a/~b", "/a/~b"),
        ("trainer.x", "+trainer.x=[1,2]", [1, 2]),
        ("data.test_views.resize", "views.resize=36", 36),
        ("data.test_views.resize", "++views.resize=36", 36),
    ],
)
def test_a_value_arrives_as_it_was_meant(key: str, word: str, meant: object) -> None:
    assert OmegaConf.select(composed(*for_hydra([word])), key) == meant


def test_what_hydra_reads_by_itself_stays_as_it_is() -> None:
    words = [
        "-m",
        "optim.lr=1e-3,3e-4",
        "~callbacks.speed",
        "x=choice(a,b)",
        "a.b=[1,2",
        "a=${b.c}",
        "--config-dir=conf",
    ]
    assert for_hydra(words) == words
    assert for_hydra(["data.root=~/a,~/b", "--config-dir=~/c"]) == [
        f"data.root={HOME}/a,{HOME}/b",
        f"--config-dir={HOME}/c",
    ]


def test_a_folder_named_in_the_environment_may_begin_with_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_DIR", "~/sets")
    command.read_environment()
    assert composed("experiment=aim_ssv2").data.root == f"{HOME}/sets/ssv2"


def test_roots_of_any_name_reach_prepare(tmp_path: Path) -> None:
    source = Source(data="csv", root=tmp_path / "josé (1)", overrides=["data.annotations.file=~/videos.csv"])
    assert source.config().root == str(tmp_path / "josé (1)")
    assert source.config().annotations.file == f"{HOME}/videos.csv"
    assert hydra_quote("/josé") == "'/josé'"
    with pytest.raises(UserError, match=r"there is no data=ssv \(did you mean ssv2\?\)"):
        Source(data="ssv", root=None, overrides=[]).config()


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("experiment=aim_sv2", r"there is no experiment=aim_sv2 \(did you mean aim_ssv2\?\)\. There are: .*own_videos"),
        ("gpu=gtx1080", r"there is no gpu=gtx1080 \(did you mean gtx1080ti\?\)"),
        ("adapter.rato=0.5", r"no key or group 'adapter\.rato' \(did you mean adapter\.ratio\?\)"),
        ("experment=own_videos", r"no key or group 'experment' \(did you mean experiment\?\)"),
        ("num_frames=4", r"no key or group 'num_frames' \(did you mean data\.num_frames\?\)"),
        ("epochs=4", r"no key or group 'epochs' \(did you mean schedule\.warmup_epochs or trainer\.max_epochs\?\)"),
        ("~callbacks.sped", r"no key or group 'callbacks\.sped' \(did you mean callbacks\.speed\?\)"),
        ("best.ckpt", r"^'best\.ckpt' cannot be read: there is no =; expected KEY=VALUE"),
        ("optim.lr=[1,2", r"^'optim\.lr=\[1,2' cannot be read: no viable .*; expected KEY=VALUE"),
        ("zzz.qqq=1", r"no key or group 'zzz\.qqq'\. "),
    ],
)
def test_a_mistyped_name_is_met_with_the_nearest(word: str, message: str) -> None:
    with pytest.raises(HydraException) as failure:
        composed(word)
    assert re.search(message, explain(failure.value, "train", [word]))


def test_the_command_says_so_in_one_sentence(tmp_path: Path) -> None:
    command = [sys.executable, str(PROJECT / "src" / "train.py"), "experiment=own_videos", "optim.rl=1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("there is no key or group 'optim.rl' (did you mean optim.lr?)")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def own_run(folder: Path) -> Path:
    """What resuming reads of a run of own videos -> its folder."""
    cfg = composed("experiment=own_videos", "data.root=/videos", "data.num_classes=2", f"run_dir={folder}", "name=own")
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "last.ckpt").touch()
    (folder / "run.json").write_text(json.dumps({"overrides": ["experiment=own_videos"]}))
    OmegaConf.save(cfg, folder / "config.yaml", resolve=True)
    return folder


def changed(folder: Path, *words: str) -> tuple[DictConfig, list[str]]:
    words = tuple(for_hydra([f"resume={folder}", *words]))
    return resumed(composed(*words, f"run_dir={folder}"), list(words))


def test_a_run_that_goes_on_takes_the_keys_of_its_recipe(tmp_path: Path) -> None:
    folder = own_run(tmp_path)
    cfg, overrides = changed(folder, "callbacks.early_stopping.patience=20", "trainer.max_epochs=30")
    assert cfg.callbacks.early_stopping.patience == 20
    assert cfg.callbacks.early_stopping.monitor == "val/top1"
    assert cfg.trainer.max_epochs == 30
    assert "callbacks.early_stopping.patience=20" in overrides  # as if it had been typed for that recipe alone
    with pytest.raises(
        ValueError, match=r"the run has no key 'callbacks\.early_stoping\.patience' \(did you mean callb"
    ):
        changed(folder, "callbacks.early_stoping.patience=20")
    assert changed(folder, "+trainer.benchmark=true")[0].trainer.benchmark is True


def test_an_evaluation_takes_the_keys_of_its_checkpoint() -> None:
    trained = OmegaConf.to_container(
        composed("experiment=own_videos", "data.root=/v", "run_dir=r", "name=n"), resolve=True
    )

    def asked(*words: str) -> DictConfig:
        cfg = composed(*for_hydra(words, opened=True), "run_dir=e", config="eval")
        return with_overrides(trained, cfg, "best.ckpt")

    views = asked("views=single", "views.resize=300").data.test_views
    assert (views.clips, views.crops, views.resize) == (1, 1, 300)
    assert asked("data.max_broken=0.5").data.max_broken == 0.5
    with pytest.raises(ValueError, match=r"data\.num_frame is no key of .* \(did you mean data\.num_frames\?\)"):
        asked("data.num_frame=4")
