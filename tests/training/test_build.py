"""Choices that depend on the machine, on machines that are made up."""

import pytest
import torch

from video_adapters.training import build
from video_adapters.training.build import fitting_precision, refuse_sweep_over_processes

from toy import composed


def gpu(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int] | None) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: capability is not None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: capability)


@pytest.mark.parametrize(
    ("capability", "asked", "given"),
    [
        ((6, 1), "bf16-mixed", "16-mixed"),  # GTX 1080 Ti: PyTorch would emulate bf16, slowly
        ((7, 5), "bf16-mixed", "16-mixed"),
        ((8, 6), "bf16-mixed", "bf16-mixed"),
        ((6, 1), "16-mixed", "16-mixed"),
        ((6, 1), "32-true", "32-true"),
        (None, "16-mixed", "bf16-mixed"),  # a CPU has no fp16 autocast worth the name
        (None, "32-true", "32-true"),
    ],
)
def test_precision_follows_the_card(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int] | None, asked: str, given: str
) -> None:
    gpu(monkeypatch, capability)
    assert fitting_precision(asked, "auto") == given


def test_a_cpu_run_beside_a_gpu_is_a_cpu_run(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu(monkeypatch, (8, 0))
    assert fitting_precision("16-mixed", "cpu") == "bf16-mixed"


def test_several_processes_in_a_sweep_are_refused_unless_started_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = build.build_trainer(composed("trainer.accelerator=cpu", "trainer.devices=2", "run_dir=."), [], [])
    refuse_sweep_over_processes(trainer, multirun=False)
    with pytest.raises(ValueError, match=r"trainer.devices=2 inside a sweep"):
        refuse_sweep_over_processes(trainer, multirun=True)
    monkeypatch.setenv("LOCAL_RANK", "0")  # as torchrun does
    refuse_sweep_over_processes(trainer, multirun=True)
