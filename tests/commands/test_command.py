"""What commands say before Hydra reads their words."""

import signal
import sys
import warnings
from pathlib import Path

import pytest
from hydra._internal.utils import get_args_parser

from video_adapters.commands import command
from video_adapters.commands.command import FULL_ERROR
from video_adapters.commands.config import compose_config
from video_adapters.commands.errors import UserError
from video_adapters.commands.terminal import summary


def test_a_file_without_its_key_is_told_which_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "a b.ckpt"
    file.touch()
    monkeypatch.setattr(sys, "argv", ["eval.py", f"checkpoint={file}", "--help", str(tmp_path)])
    command.expect_key_for_file("checkpoint")
    monkeypatch.setattr(sys, "argv", ["eval.py", str(file)])
    with pytest.raises(SystemExit, match=rf"{file} has to be given as checkpoint='{file}'"):
        command.expect_key_for_file("checkpoint")


def test_keys_with_dashes_are_refused_and_hydras_own_options_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FULL_ERROR, "1")  # as it is for who debugs: nothing of the process is changed
    for given in (["--experiment", "own_videos"], ["--data.root=/videos"]):
        monkeypatch.setattr(sys, "argv", ["train.py", *given])
        with pytest.raises(SystemExit, match=rf"no option {given[0]}; keys have no dashes: KEY=VALUE"):
            command.start(lambda: None, "train")
    monkeypatch.setattr(sys, "argv", ["train.py", *get_args_parser()._option_string_actions, "--config-dir=here"])
    command.start(lambda: None, "train")


@pytest.mark.parametrize(
    ("word", "instead"),
    [
        ("logger=null", "logger=none"), ("optim=null", "one of adamw, or leave it out"),
        ("views=null", "one of .*, single, .*, or leave it out"),
    ],
)  # fmt: skip
def test_null_for_a_group_is_told_what_does_without_it(
    word: str, instead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FULL_ERROR, "1")
    monkeypatch.setattr(sys, "argv", ["train.py", "resume=null", word])
    with pytest.raises(SystemExit, match=rf"^{word} is no choice: take {instead}$"):
        command.start(lambda: None, "train")
    with pytest.raises(UserError, match=rf"^{word} is no choice"):
        compose_config("train", [word])


SAID = (
    ("The 'val_dataloader' does not have many workers which may be a bottleneck.", "data_connector"),
    ("Found 12 module(s) in eval mode at the start of training.", "loops.fit_loop"),
    ("The number of training batches (4) is smaller than the logging interval Trainer(...)", "loops.fit_loop"),
    ("Checkpoint directory /runs/a exists and is not empty.", "callbacks.model_checkpoint"),
    ("Detected call of `lr_scheduler.step()` before `optimizer.step()`. In PyTorch 1.1.0", "core.module"),
)


@pytest.mark.parametrize(("message", "module"), SAID)
def test_what_nobody_can_act_on_is_silent_from_that_library_alone_and_in_commands_alone(
    message: str, module: str
) -> None:
    def heard(message: str, module: str) -> bool:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if silent:
                command._quiet()
            warnings.warn_explicit(message, UserWarning, "file.py", 1, module)
        return bool(caught)

    silent = False
    assert heard(message, f"lightning.pytorch.{module}")  # importing the package has changed nothing
    silent = True
    assert not heard(message, f"lightning.pytorch.{module}")
    assert heard(message, "my_script")
    assert heard(f"Your labels are wrong, and {message[:5]}", f"lightning.pytorch.{module}")


def test_a_command_that_has_ended_leaves_signals_as_it_found_them() -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert command.run(lambda: signal.getsignal(signal.SIGTERM)) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_summary_shows_names_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    summary("done", {"folder": "/videos/[a]/b[/c]"})
    assert "/videos/[a]/b[/c]" in capsys.readouterr().out
