"""Choices that depend on the machine, on machines that are made up."""

import pytest
import torch
from omegaconf import DictConfig

from video_adapters.model import hardware
from video_adapters.model.build import build_outline
from video_adapters.model.classifier import VideoClassifier
from video_adapters.model.hardware import fitting_precision
from video_adapters.training.trainer import build_trainer, refuse_sweep_over_processes

from helpers.toy import composed


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
    trainer = build_trainer(composed("trainer.accelerator=cpu", "trainer.devices=2", "run_dir=."), [], [])
    refuse_sweep_over_processes(trainer, multirun=False)
    with pytest.raises(ValueError, match=r"trainer.devices=2 inside a sweep"):
        refuse_sweep_over_processes(trainer, multirun=True)
    monkeypatch.setenv("LOCAL_RANK", "0")  # as torchrun does
    refuse_sweep_over_processes(trainer, multirun=True)


def outline(*overrides: str) -> tuple[VideoClassifier, DictConfig]:
    cfg = composed("model=toy_clip", "trainer.accelerator=auto", *overrides)
    return build_outline(cfg), cfg


@pytest.mark.parametrize(
    ("precision", "asked", "held"),
    [
        ("16-mixed", "auto", torch.float16),
        ("bf16-mixed", "auto", torch.bfloat16),
        ("32-true", "auto", torch.float32),
        ("16-mixed", "float16", torch.float16),
        ("16-mixed", "null", torch.float32),
    ],
)
def test_frozen_weights_are_held_in_the_type_that_they_are_multiplied_in(
    monkeypatch: pytest.MonkeyPatch, precision: str, asked: str, held: torch.dtype
) -> None:
    gpu(monkeypatch, (8, 0))
    classifier, cfg = outline(f"trainer.precision={precision}", f"memory.frozen_dtype={asked}")
    hardware.make_ready(classifier.backbone, cfg)
    assert classifier.backbone.encoder.patches.weight.dtype == held
    assert {p.dtype for p in classifier.trainable().values()} == {torch.float32}


@pytest.mark.parametrize("key", ["frozen_dtype", "residual_dtype"])
def test_another_half_than_that_of_the_run_is_refused(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    gpu(monkeypatch, (6, 1))
    classifier, cfg = outline("trainer.precision=bf16-mixed", f"memory.{key}=bfloat16")
    with pytest.raises(ValueError, match=rf"memory.{key}=bfloat16 .* comes to float16 .* memory.{key}=auto follows it"):
        hardware.make_ready(classifier.backbone, cfg)


def test_blocks_are_not_compiled_for_a_card_that_triton_does_not_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    classifier, cfg = outline("memory.compile=true")
    gpu(monkeypatch, (6, 1))
    with pytest.raises(ValueError, match=r"needs a card of compute capability 7.0; this one has 6.1: leave memory"):
        hardware.make_ready(classifier.backbone, cfg)
    gpu(monkeypatch, (7, 0))
    hardware.make_ready(classifier.backbone, cfg)
    assert all(block._compiled_call_impl is not None for block in classifier.backbone.blocks)
