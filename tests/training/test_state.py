"""What a run saves of itself is plain: a resumed run reads it without running code from the file."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.plugins import MixedPrecision

from video_adapters.training.callbacks import random_state
from video_adapters.training.callbacks.last_checkpoint import _move
from video_adapters.training.callbacks.random_state import RandomState

from helpers.toy import run

EARLY_STOPPING = [
    "+callbacks.early_stopping._target_=lightning.pytorch.callbacks.EarlyStopping",
    "+callbacks.early_stopping.monitor=val/top1",
    "+callbacks.early_stopping.mode=max",
]


class Shell:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (self.command,)


def through_a_file(state: Any, path: Path) -> Any:
    torch.save(state, path)
    return torch.load(path, weights_only=True)


def test_the_states_that_this_machine_never_makes_are_plain_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.AdamW([weight])
    scaler.scale(weight.sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    plugin = MixedPrecision("16-mixed", "cpu", scaler=scaler)
    saved = through_a_file(plugin.state_dict(), tmp_path / "a")
    assert saved == plugin.state_dict()
    assert saved["scale"] == 2.0**10

    stopping = EarlyStopping("val/top1", mode="max")
    stopping.best_score, stopping.wait_count = torch.tensor(0.5), 3
    again = EarlyStopping("val/top1", mode="max")
    again.load_state_dict(through_a_file(stopping.state_dict(), tmp_path / "a"))
    assert (again.best_score, again.wait_count) == (0.5, 3)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda: torch.arange(16, dtype=torch.uint8))
    put: list[torch.Tensor] = []
    monkeypatch.setattr(torch.cuda, "set_rng_state", put.append)
    state = through_a_file(RandomState(0).state_dict(), tmp_path / "a")
    random_state._set_random_state(state["states"][0])
    assert torch.equal(put[0], torch.arange(16, dtype=torch.uint8))


@pytest.mark.slow
def test_a_run_goes_on_from_a_state_with_a_scaler_early_stopping_and_cuda(shapes: list[str], tmp_path: Path) -> None:
    run(tmp_path, *shapes, *EARLY_STOPPING, "test=false", "data.max_videos=12")
    last = tmp_path / "checkpoints" / "last.ckpt"
    state = torch.load(last, weights_only=True)
    state["MixedPrecision"] = torch.amp.GradScaler("cpu").state_dict()
    (key,) = (key for key in state["callbacks"] if key.startswith("EarlyStopping"))
    state["callbacks"][key]["wait_count"] = 1
    state["callbacks"]["RandomState"]["states"][0]["cuda"] = torch.zeros(16, dtype=torch.uint8)
    torch.save(state, last)
    run(tmp_path, f"resume={tmp_path}", "trainer.max_epochs=2", "test=false")
    assert torch.load(last, weights_only=True)["epoch"] == 1


def test_code_in_a_state_is_not_run(shapes: list[str], tmp_path: Path) -> None:
    run(tmp_path, *shapes, "test=false", "data.max_videos=12")
    last = tmp_path / "checkpoints" / "last.ckpt"
    state = torch.load(last, weights_only=True)
    state["callbacks"]["RandomState"]["more"] = Shell(f"touch {tmp_path}/proof")
    torch.save(state, last)
    with pytest.raises(Exception, match=r"weights_only|cannot be read|Weights only"):
        run(tmp_path, f"resume={tmp_path}", "trainer.max_epochs=2", "test=false")
    assert not (tmp_path / "proof").exists()


@pytest.mark.parametrize("dirpath", [{"dirpath": "/run/checkpoints"}, {}])
def test_a_state_names_no_file_outside_of_the_runs_checkpoints(tmp_path: Path, dirpath: dict[str, Any]) -> None:
    """What ModelCheckpoint takes for its second best it deletes when a better one comes."""
    state = dirpath | {
        "best_model_path": "/run/checkpoints/best.ckpt",
        "kth_best_model_path": "/home/me/thesis.tex",
        "last_model_path": "/run/checkpoints/..",
        "best_k_models": {"/home/me/thesis.tex": torch.tensor(0.1)},
    }
    _move(state, str(tmp_path))
    assert state == {
        "dirpath": str(tmp_path),
        "best_model_path": f"{tmp_path}/best.ckpt",
        "kth_best_model_path": f"{tmp_path}/thesis.tex",
        "last_model_path": "",
        "best_k_models": {f"{tmp_path}/thesis.tex": torch.tensor(0.1)},
    }
