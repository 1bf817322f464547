"""What is wrong with a config is told together."""

import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from video_adapters.commands.config import PROJECT
from video_adapters.commands.errors import UserError, explained
from video_adapters.commands.outputs import make_new, remove_unused
from video_adapters.training.evaluate import evaluate_or_tell
from video_adapters.training.problems import expect_values, problems, told_together

from helpers.toy import SHAPES, SMALL, composed

OWN = ["experiment=own_videos", "name=own"]


def told(folder: Path, *overrides: str) -> str:
    """The message for a run that fails at once."""
    cfg = composed(*OWN, f"run_dir={folder}", *overrides)

    def fail() -> None:
        expect_values(cfg)
        raise UserError("none but this")

    with pytest.raises(UserError) as failure, told_together(cfg):
        fail()
    return str(failure.value)


def test_a_missing_root_a_missing_file_and_a_wrong_rate_are_told_together(tmp_path: Path) -> None:
    message = told(tmp_path, "model.weights=/none/ViT-B-16.pt", "adapter.ratio=-1", "init_from=/none/best.ckpt")
    assert message.startswith("4 things are in the way:\n- data.root has no default: give data.root=...\n")
    for part in (
        "model.weights=/none/ViT-B-16.pt reads as a file",
        "adapter.ratio",
        "no checkpoint file at /none/best.ckpt",
    ):
        assert f"- {part}" in message or part in message
    assert message.count("\n- ") == 4


@pytest.mark.parametrize("key", ["model.name", "model.encoder.model_name"])
def test_the_key_that_lacks_a_value_is_told_also_where_another_refers_to_it(key: str) -> None:
    cfg = composed("model=timm")
    with pytest.raises(UserError, match=r"^model.name has no default: give model.name=...$"), explained():
        OmegaConf.select(cfg, key, throw_on_missing=True)
    with pytest.raises(ValueError, match=r"^model.name has no default: give model.name=...$"):
        expect_values(cfg)


def test_a_folder_that_is_not_there_is_told_with_the_rest(tmp_path: Path) -> None:
    found = list(problems(composed(*OWN, f"data.root={tmp_path}/none", "model.weights=null", "run_dir=r")))
    assert len(found) == 2
    assert "none does not exist" in found[0]
    assert "model.weights is null" in found[1]


def test_class_names_without_a_text_tower_are_told_with_the_rest(tmp_path: Path) -> None:
    assert "toy_vit" not in (message := told(tmp_path, "model=toy_vit", "head=names", "head.prompts=[a person]"))
    assert "head.prompts is ['a person']" in message
    assert "vit_tiny_patch16_224 of timm has none" in told(tmp_path, "model=toy_vit", "head=names")


def test_one_problem_is_told_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert told(tmp_path, f"data.root={tmp_path}", "model=toy_vit") == "none but this"


def test_what_goes_wrong_in_a_run_that_began_is_told_alone(tmp_path: Path) -> None:
    (tmp_path / "run.json").touch()
    cfg = composed(*OWN, f"run_dir={tmp_path}", "model.weights=null")
    with pytest.raises(UserError, match=r"^the disk is full$"), told_together(cfg):
        raise UserError("the disk is full")


def test_all_that_keeps_an_evaluation_from_starting_is_told_together(tmp_path: Path) -> None:
    words = (f"checkpoint={tmp_path}/no.ckpt", f"data.root={tmp_path}/videos", f"model.weights={tmp_path}/no.pt")
    cfg = composed(*words, f"run_dir={tmp_path}", "logger=none", config="eval")
    with pytest.raises(UserError) as failure:
        evaluate_or_tell(cfg)
    first, *others = str(failure.value).splitlines()
    assert first == "3 things are in the way:"
    for part, line in zip(("no.ckpt", "data.root=", "model.weights="), others, strict=True):
        assert part in line


def test_a_key_without_a_value_is_no_problem_of_a_run_that_goes_on(tmp_path: Path) -> None:
    expect_values(composed(*OWN, f"run_dir={tmp_path}", f"resume={tmp_path}"))


@contextmanager
def logging_into(folder: Path) -> Iterator[None]:
    """As Hydra does: a log in the folder of a run."""
    handler = logging.FileHandler(folder / "train.log")
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


@pytest.mark.parametrize("left", [[], ["run.json"], ["wandb/run-1"]])
def test_a_folder_goes_where_nothing_has_begun_in_it(left: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / ".lock").touch()
    for name in left:
        (folder / name).mkdir(parents=True)
    with logging_into(folder):
        remove_unused(folder)
    assert folder.exists() == bool(left)
    assert (folder / "train.log").exists() == bool(left)


def test_a_folder_that_another_process_holds_stays(tmp_path: Path) -> None:
    hold = "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.lockf(f, fcntl.LOCK_EX); print(); sys.stdin.read()"
    command = [sys.executable, "-c", hold, str(tmp_path / ".lock")]
    with logging_into(tmp_path):
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            other.stdout.readline()
            remove_unused(tmp_path)
            assert (tmp_path / "train.log").exists()
        remove_unused(tmp_path)
    assert not tmp_path.exists()


@pytest.mark.parametrize("beside", [False, True])
def test_the_folders_made_for_it_go_with_it_unless_another_run_is_in_them(beside: bool, tmp_path: Path) -> None:
    folder = tmp_path / "logs" / "runs" / "today"
    make_new(str(folder))
    if beside:
        (folder.parent / "yesterday").mkdir()
    with logging_into(folder):
        remove_unused(folder)
    assert [path.name for path in tmp_path.rglob("*")] == (["logs", "runs", "yesterday"] if beside else [])
    assert tmp_path.is_dir()


def test_a_folder_without_our_log_is_not_ours_to_remove(tmp_path: Path) -> None:
    remove_unused(tmp_path)
    assert tmp_path.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "words", "message"),
    [
        (
            "train",
            ["experiment=own_videos", "model.weights=/none.pt"],
            r"2 things are in the way:\n- data\.root has no",
        ),
        ("train", ["data.root=rendered", "+trainer.callbacks=x", *SMALL], r"trainer\.callbacks cannot be set"),
        ("eval", ["checkpoint=/none/best.ckpt"], r"no checkpoint file at /none/best\.ckpt"),
    ],
)
def test_a_command_that_never_began_leaves_nothing(
    script: str, words: list[str], message: str, shapes: list[str], tmp_path: Path
) -> None:
    root = next(word for word in shapes if word.startswith("data.root="))
    words = [*SHAPES, root, *words[1:]] if words[0] == "data.root=rendered" else words
    command = [sys.executable, str(PROJECT / "src" / f"{script}.py"), *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert re.search(message, done.stderr)
    assert not re.search("Traceback|Error executing|HYDRA_FULL_ERROR", done.stderr)
    assert list(tmp_path.glob("logs")) == []
