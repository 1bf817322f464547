"""Damaged files of a run: named in one sentence, and where there is a save before, the run goes on from that."""

import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from video_adapters.commands.errors import UserError, explained
from video_adapters.training.trainer import AtomicCheckpointIO
from video_adapters.trust import checkpoint_file
from video_adapters.trust.checkpoint_file import LAST, PREVIOUS, state_of, write

from helpers.toy import run, score

LONG = ["data.max_videos=16", "trainer.max_epochs=2", "callbacks.last.every_n_steps=1", "test=false"]  # 4 steps


@pytest.fixture(scope="module")
def whole(shapes: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    run(folder, *shapes, *LONG)
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def flip_a_bit(path: Path) -> None:
    """In a tensor's values, where nothing but a checksum could tell."""
    content = bytearray(path.read_bytes())
    weight = torch.load(path, weights_only=True)["state_dict"]["classifier.head.linear.weight"]
    place = content.index(weight.numpy().tobytes())
    content[place + 8] ^= 1
    path.write_bytes(content)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def overwrite(path: Path) -> None:
    path.write_bytes(bytes(1000))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def remove(path: Path) -> None:
    path.unlink()


DAMAGES = [flip_a_bit, cut_short, overwrite, empty, remove]
TO_GO_ON = [flip_a_bit, *(pytest.param(one, marks=pytest.mark.slow) for one in (remove, cut_short, overwrite, empty))]
"""That each is noticed, the cheap test of both states shows; what follows is a run, and the same for all."""


@pytest.mark.parametrize("damage", TO_GO_ON)
def test_a_run_whose_last_state_is_damaged_goes_on_from_the_one_before_to_the_same_weights(
    folder: Path, whole: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    damage(folder / "checkpoints" / LAST)
    run(folder, f"resume={folder}")
    assert f"going on from the state saved before, of step 3: {folder / 'checkpoints' / PREVIOUS}" in caplog.text
    expected, found = (load(one, LAST) for one in (whole, folder))
    torch.testing.assert_close(found["state_dict"], expected["state_dict"], rtol=0, atol=0)
    moments = (one["optimizer_states"][0]["state"] for one in (found, expected))
    torch.testing.assert_close(*moments, rtol=0, atol=0)


@pytest.mark.parametrize("damage", DAMAGES)
def test_where_both_states_are_damaged_the_last_is_named(folder: Path, damage: Callable[[Path], None]) -> None:
    for name in (LAST, PREVIOUS):
        damage(folder / "checkpoints" / name)
    with pytest.raises(UserError, match=rf"^[^\n]*{LAST}[^\n]*$"), explained():
        run(folder, f"resume={folder}")


def test_a_best_checkpoint_is_no_state_to_go_on_from(folder: Path) -> None:
    for name in (LAST, PREVIOUS):
        shutil.copy(folder / "checkpoints" / "best.ckpt", folder / "checkpoints" / name)
    with pytest.raises(ValueError, match=r"last.ckpt is no state to go on from: it lacks .*optimizer_states"):
        state_of(folder)


@pytest.mark.parametrize("damage", TO_GO_ON)
def test_a_damaged_best_checkpoint_is_refused_where_it_is_scored_and_forgotten_where_its_run_goes_on(
    folder: Path, tmp_path: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    best = folder / "checkpoints" / "best.ckpt"
    damage(best)
    with pytest.raises(UserError, match=r"^[^\n]*best.ckpt[^\n]*$"), explained():
        score(tmp_path / "eval", f"checkpoint={best}")
    run(folder, f"resume={folder}", "trainer.max_epochs=3")
    assert "it is forgotten: the best is chosen from the epochs that are still to come" in caplog.text
    assert checkpoint_file.read(best)["global_step"] == 6


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("run.json", ""),
        ("run.json", '{"overrides": ['),
        ("run.json", "[]"),
        ("run.json", '{"overrides": [1], "wandb_id": "a"}'),
        ("run.json", "\udcff"),
        ("config.yaml", ""),
        ("config.yaml", "a: [1"),
        ("config.yaml", "\udcff"),
    ],
)
def test_a_damaged_record_or_config_is_named_in_a_sentence(folder: Path, file: str, content: str) -> None:
    (folder / file).write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=rf"^[^\n]*{file}[^\n]*$"), explained():
        run(folder, f"resume={folder}")


def test_a_kill_at_any_moment_of_a_save_leaves_a_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that changes the folder is a moment: the save is cut off before each of them in turn."""
    folder = tmp_path / "checkpoints"
    for moment in range(2):
        shutil.rmtree(folder, ignore_errors=True)
        for step in (1, 2):
            AtomicCheckpointIO().save_checkpoint(state(step), folder / LAST)
        calls = iter(range(10))

        def cut(*places: Any, moment: int = moment, calls: Any = calls) -> None:
            if next(calls) == moment:
                raise KeyboardInterrupt
            shutil.move(*places)

        with monkeypatch.context() as patch:
            patch.setattr("os.replace", cut)
            with pytest.raises(KeyboardInterrupt):
                AtomicCheckpointIO().save_checkpoint(state(3), folder / LAST)
        assert state_of(tmp_path)[1]["global_step"] == 2


def test_a_full_disk_is_named_as_such_where_a_state_is_saved(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, hard))  # torch raises the same as of a full disk
    try:
        with pytest.raises(OSError, match=r"File too large: .*last.ckpt"):
            write({"weights": torch.zeros(2**16)}, tmp_path / LAST)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def state(step: int) -> dict[str, Any]:
    origin = {"config": {}, "class_names": ["a"], "encoder": "", "version": 1}
    parts: dict[str, Any] = {"optimizer_states": [], "lr_schedulers": [], "loops": {}, "callbacks": {}}
    return {"origin": origin, "state_dict": {"classifier.a": torch.zeros(3)}, "global_step": step, **parts}


def load(folder: Path, which: str) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(folder / "checkpoints" / which, weights_only=True)
    return content
