"""A run that was stopped and goes on ends where one that never stopped does, bit for bit."""

import errno
import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf

from video_adapters.commands.signals import Interrupted
from video_adapters.training.callbacks.last_checkpoint import LastCheckpoint
from video_adapters.training.module import ActionModule
from video_adapters.training.record import resumed
from video_adapters.training.schedule import factor

from helpers.toy import composed, run

RANDOM = [
    "head.dropout=0.3",
    "head.standardise=true",
    "adapter.drop_path=0.3",
    "data.num_workers=2",
]  # all that draws, and workers ahead of us
LONG = ["trainer.max_epochs=2", "callbacks.last.every_n_steps=2", "test=false"]  # 5 steps an epoch


@pytest.fixture(scope="module")
def overrides(shapes: list[str]) -> list[str]:
    return [*shapes, *RANDOM, *LONG]


@pytest.fixture(scope="module")
def whole(overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    run(folder, *overrides)
    return folder


def at_step(step: int, action: Callable[[], None], before_saving: bool) -> Callable[..., None]:
    """LastCheckpoint's hook with something happening at an optimizer step, before or after it would save."""
    hook = LastCheckpoint.on_train_batch_end

    def hooked(self: LastCheckpoint, trainer: Any, module: Any, *rest: Any) -> None:
        due = trainer.global_step == step and module.step_finished()
        if due and before_saving:
            action()
        hook(self, trainer, module, *rest)
        if due and not before_saving:
            action()

    return hooked


def send(number: int) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def crash() -> None:
    raise RuntimeError("as if killed")


@pytest.mark.parametrize(
    ("step", "action", "before_saving", "saved_at"),
    [
        (8, send(signal.SIGTERM), True, 8),  # in mid-epoch
        pytest.param(7, send(signal.SIGINT), True, 7, marks=pytest.mark.slow),  # where no save was due
        # work since the last save is lost, and done again
        pytest.param(9, crash, False, 8, marks=pytest.mark.slow),
        # last step of an epoch: after its validation
        pytest.param(5, send(signal.SIGTERM), True, 5, marks=pytest.mark.slow),
    ],
)
def test_a_stopped_run_ends_with_the_same_weights(
    overrides: list[str],
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: int,
    action: Callable[[], None],
    before_saving: bool,
    saved_at: int,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(LastCheckpoint, "on_train_batch_end", at_step(step, action, before_saving))
        with pytest.raises((Interrupted, RuntimeError)):
            run(tmp_path, *overrides)
    assert load(tmp_path)["global_step"] == saved_at
    run(tmp_path, *overrides, f"resume={tmp_path}")

    expected, found = load(whole), load(tmp_path)
    assert found["global_step"] == expected["global_step"] == 10
    assert_same(found["state_dict"], expected["state_dict"])
    assert_same(found["optimizer_states"][0]["state"], expected["optimizer_states"][0]["state"])
    assert_same(load(tmp_path, "best")["state_dict"], load(whole, "best")["state_dict"])
    pd.testing.assert_frame_equal(figures(tmp_path), figures(whole))


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["16-mixed", "bf16-mixed"])
def test_on_a_gpu_a_stopped_run_ends_with_the_same_weights_scale_and_draws(
    overrides: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # its products in one order
    given = [*overrides, "trainer.accelerator=gpu", f"trainer.precision={precision}", "trainer.deterministic=true"]
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    run(whole, *given)
    with monkeypatch.context() as patch:
        patch.setattr(LastCheckpoint, "on_train_batch_end", at_step(8, send(signal.SIGTERM), True))
        with pytest.raises(Interrupted):
            run(stopped, *given)
    run(stopped, *given, f"resume={stopped}")
    expected, found = load(whole), load(stopped)
    assert ("MixedPrecision" in expected) == (precision == "16-mixed")  # the scaler's state
    assert found.get("MixedPrecision") == expected.get("MixedPrecision")
    assert_same(found["state_dict"], expected["state_dict"])
    assert_same(found["optimizer_states"][0]["state"], expected["optimizer_states"][0]["state"])


def then(hook: str, step: int, action: Callable[[], None]) -> Callable[..., None]:
    """A hook of LastCheckpoint with something happening after it, once, when so many steps were made."""
    before, due = getattr(LastCheckpoint, hook), [step]

    def hooked(self: LastCheckpoint, trainer: Any, *rest: Any) -> None:
        before(self, trainer, *rest)
        if due and trainer.global_step == step:
            due.clear()
            action()

    return hooked


def kill_workers() -> None:
    workers = torch.multiprocessing.active_children()
    for process in workers:
        process.kill()
    for process in workers:
        assert process.pid
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # the system tells of it now, however busy it is
    time.sleep(0.1)  # a handler is called between two lines


def send_twice() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(
    ("hook", "step", "action", "saved_at", "said"),
    [
        # no step is running, and none comes
        pytest.param("_wait", 7, send(signal.SIGTERM), 7, "SIGTERM: state saved in", marks=pytest.mark.slow),
        # the step that runs is finished first
        pytest.param("on_train_batch_end", 7, kill_workers, 7, "killed by signal", marks=pytest.mark.slow),
        pytest.param("_wait", 7, kill_workers, 7, "killed by signal", marks=pytest.mark.slow),
        # with part of a step seen there is nothing to save, nor in a validation: the last save counts
        pytest.param("on_train_batch_start", 7, send_twice, 6, "SIGINT: stopped at once", marks=pytest.mark.slow),
        pytest.param("on_validation_start", 5, send(signal.SIGTERM), 4, "SIGTERM: stopped", marks=pytest.mark.slow),
    ],
)
def test_what_ends_a_run_at_once_leaves_a_state_to_go_on_from(
    overrides: list[str],
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hook: str,
    step: int,
    action: Callable[[], None],
    saved_at: int,
    said: str,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(LastCheckpoint, hook, then(hook, step, action))
        with pytest.raises((Interrupted, RuntimeError), match=said) as end:
            run(tmp_path, *overrides)
    assert end.value.__notes__ == [f"go on with: python src/train.py resume={tmp_path}"]
    assert load(tmp_path)["global_step"] == saved_at
    run(tmp_path, *overrides, f"resume={tmp_path}")
    assert_same(load(tmp_path)["state_dict"], load(whole)["state_dict"])
    assert_same(load(tmp_path, "best")["state_dict"], load(whole, "best")["state_dict"])
    pd.testing.assert_frame_equal(figures(tmp_path), figures(whole))


@pytest.mark.slow
def test_a_signal_before_and_after_training_ends_the_run_at_once(
    shapes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("video_adapters.training.run.build_classifier", lambda cfg: send(signal.SIGTERM)())
        with pytest.raises(Interrupted, match="SIGTERM: stopped at once") as end:
            run(tmp_path, *shapes)
    assert not hasattr(end.value, "__notes__")  # there is nothing to go on from
    with monkeypatch.context() as patch:
        patch.setattr(ActionModule, "test_step", lambda *_: send(signal.SIGTERM)())
        with pytest.raises(Interrupted, match="SIGTERM: state saved in") as end:
            run(tmp_path, *shapes)
    assert end.value.__notes__ == [f"go on with: python src/train.py resume={tmp_path}"]
    assert "test/top1" in run(tmp_path, f"resume={tmp_path}")


def test_handlers_are_put_back_after_a_run(shapes: list[str], tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    run(tmp_path, *shapes, "test=false")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_handlers_are_put_back_where_the_disk_is_full_when_a_signal_comes(tmp_path: Path) -> None:
    def save(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "last.ckpt")

    before = signal.getsignal(signal.SIGTERM)
    trainer: Any = SimpleNamespace(
        global_step=3, world_size=1, training=True, train_dataloader=SimpleNamespace(), save_checkpoint=save
    )
    callback, module = LastCheckpoint(str(tmp_path / "last.ckpt"), every_n_steps=5), Any
    callback.on_train_start(trainer, module)
    callback._saved = 0
    assert signal.getsignal(signal.SIGTERM) != before
    end = Interrupted(signal.SIGTERM)
    with pytest.raises(OSError, match="No space left"):
        callback.on_exception(trainer, module, end)
    said = "SIGTERM: stopped at once, its state could not be saved (No space left on device: last.ckpt)"
    assert str(end) == said
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.slow
def test_a_resumed_run_may_train_longer_and_remembers_it(shapes: list[str], tmp_path: Path) -> None:
    run(tmp_path, *shapes, "test=false")
    run(tmp_path, f"resume={tmp_path}", "trainer.max_epochs=2")
    assert load(tmp_path)["global_step"] == 10
    run(tmp_path, f"resume={tmp_path}")
    assert OmegaConf.load(tmp_path / "config.yaml").trainer.max_epochs == 2


@pytest.mark.slow
def test_a_run_whose_folder_was_moved_goes_on_there(shapes: list[str], tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    run(before, *shapes)
    best = load(before, "best")
    before.rename(after)
    run(after, f"resume={after}", "trainer.max_epochs=2", "optim.lr=1e-12")
    assert not before.exists()
    assert load(after)["global_step"] == 10
    assert_same(
        load(after, "best")["state_dict"], best["state_dict"]
    )  # no better one was found, and it was not forgotten


@pytest.mark.parametrize("change", ["batch.per_device=8", "data.max_videos=20"])
@pytest.mark.slow
def test_a_run_stopped_in_mid_epoch_cannot_go_on_with_other_batches(
    overrides: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(LastCheckpoint, "on_train_batch_end", at_step(7, send(signal.SIGTERM), True))
        with pytest.raises(Interrupted):
            run(tmp_path, *overrides)
    before = content(tmp_path)
    with pytest.raises(ValueError, match=r"stopped in mid-epoch with 1 device x 4 clips x 2 accumulated over 36"):
        run(tmp_path, f"resume={tmp_path}", change)
    with pytest.raises(ValueError, match=r"at step 7, epoch 1.44, and trainer.max_epochs=1 would have ended"):
        run(tmp_path, f"resume={tmp_path}", "trainer.max_epochs=1")
    assert content(tmp_path) == before


@pytest.mark.slow
def test_a_run_that_ended_with_an_epoch_may_go_on_with_other_batches(shapes: list[str], tmp_path: Path) -> None:
    run(tmp_path, *shapes, "test=false")
    run(tmp_path, f"resume={tmp_path}", "batch.per_device=8", "trainer.max_epochs=2")
    assert load(tmp_path)["global_step"] == 10
    assert load(tmp_path)["loops"]["fit_loop"]["state_dict"]["combined_loader"][0]["batches"] == 5


@pytest.fixture(scope="module")
def ended(shapes: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch with early stopping, to be copied."""
    folder = tmp_path_factory.mktemp("ended")
    run(folder, *shapes, "test=false", *STOPPING, "data.max_videos=16")
    return folder


STOPPING = [
    "+callbacks.early_stopping._target_=lightning.pytorch.callbacks.EarlyStopping",
    "+callbacks.early_stopping.monitor=val/top1",
    "+callbacks.early_stopping.patience=3",
]


@pytest.fixture
def again(ended: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ended, tmp_path / "again"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("adapter=none", r"adapter=none would change the run that goes on; .* init_from=PATH"),
        ("experiment=aim_ssv2", r"experiment=aim_ssv2 would change the run that goes on"),
        ("seed=5", r"seed=5 would change the run that goes on"),
        ("init_from=other.ckpt", r"init_from=other.ckpt would change the run that goes on"),
        ("memory.plan=auto", r"memory.plan=auto would change the run that goes on"),
        ("optim.encoder_lr_ratio=0.5", r"optim.encoder_lr_ratio cannot change so; .* init_from=PATH"),
        ("adapter.ratio=0.5", r"the checkpoint does not fit the model: backbone"),
        ("trainer.max_epochs=0", r"trainer.max_epochs=0 would have ended it before"),
        (
            "trainer.max_steps=1",
            r"^resume=\S+: the run is at step 2, epoch 1, and trainer.max_steps=1 would have ended it before: give a "
            r"larger number, or score the run as it is by python src/eval\.py "
            r"checkpoint=\S+/again/checkpoints/best.ckpt$",
        ),
    ],
)
def test_a_refused_change_leaves_the_run_as_it_was(again: Path, change: str, message: str) -> None:
    before = content(again)
    with pytest.raises(ValueError, match=message):
        run(again, f"resume={again}", change)
    assert content(again) == before


@pytest.mark.parametrize("recorded", ["me", "another"])
def test_what_a_file_may_not_decide_is_the_users_own_where_it_is_typed_again(again: Path, recorded: str) -> None:
    record, config = json.loads((again / "run.json").read_text()), OmegaConf.load(again / "config.yaml")
    record["overrides"].append("+logger.wandb.entity=me")
    (again / "run.json").write_text(json.dumps(record))
    target = "video_adapters.training.loggers.wandb_logger"
    OmegaConf.update(config, "logger.wandb", {"_target_": target, "entity": recorded}, force_add=True)
    OmegaConf.save(config, again / "config.yaml")
    refused = pytest.raises(ValueError, match=r"logger\.wandb\.entity is no argument .* WANDB_ENTITY")
    typed = [f"resume={again}", f"run_dir={again}", "+logger.wandb.entity=me"]
    with refused:
        resumed(composed(*typed[:2]), typed[:2])
    with nullcontext() if recorded == "me" else refused:  # what was typed is not what would be used
        assert resumed(composed(*typed), typed)[0].logger.wandb.entity == "me"


def test_what_is_changed_takes_effect_from_the_next_step_on(again: Path) -> None:
    changes = ["optim.lr=1e-3", "optim.backbone_lr_ratio=0.5", "optim.betas=[0.8,0.9]", "optim.weight_decay=0.2"]
    longer = ["trainer.max_epochs=3", "schedule.warmup_epochs=1", "++callbacks.early_stopping.patience=7"]
    run(again, f"resume={again}", *changes, *longer, "views=ssv2", "seed=0")
    rates = figures(again).set_index("step")["train/lr"].dropna()
    expected = [1e-3 * factor(step, steps=6, warmup=2) for step in range(2, 6)]  # 16 videos are 2 steps
    assert rates.loc[2:].tolist() == pytest.approx(expected, rel=1e-6)  # logged in single precision
    state = load(again)
    for group in state["optimizer_states"][0]["param_groups"]:
        assert group["initial_lr"] == (1e-3 if group["name"].startswith("head") else 5e-4)
        assert group["weight_decay"] == (0 if "no decay" in group["name"] else 0.2)
        assert group["betas"] == (0.8, 0.9)
    assert [one["patience"] for one in state["callbacks"].values() if "patience" in one] == [7]
    saved = OmegaConf.load(again / "config.yaml")
    assert saved.data.test_views.crops == 3
    assert saved.optim.lr == 1e-3


def test_a_folder_without_a_run_cannot_be_resumed(shapes: list[str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no config.yaml in .* resume takes the folder of a run"):
        run(tmp_path, *shapes, f"resume={tmp_path}")


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a run, and what it holds."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def load(folder: Path, which: str = "last") -> dict[str, Any]:
    return torch.load(folder / "checkpoints" / f"{which}.ckpt", weights_only=True)


def figures(folder: Path) -> pd.DataFrame:
    """All that was logged, but for what the clock and the machine decide."""
    table = pd.read_csv(folder / "metrics.csv")
    return table[[name for name in table.columns if not name.startswith("speed/")]]


def assert_same(found: Any, expected: Any) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
