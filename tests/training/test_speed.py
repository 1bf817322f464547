"""What a run's figures of speed are shares of."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from video_adapters.model.build import build_outline
from video_adapters.model.cost import training_flops
from video_adapters.training.callbacks.speed import Speed, flops_of_a_clip, peak_tflops

from helpers.toy import composed


@pytest.mark.parametrize(
    ("name", "precision", "peak"),  # configs/gpu
    [
        ("NVIDIA GeForce GTX 1080 Ti", "16-mixed", 11.3),
        ("GeForce GTX 1080 Ti", "32-true", 11.3),
        ("NVIDIA GeForce RTX 2080 Ti", "16-mixed", 53.8),
        ("Tesla T4", "16-mixed", 65.0),
        ("Tesla V100-PCIE-16GB", "16-mixed", 112.0),
        ("Tesla V100-PCIE-32GB", "32-true", 14.0),
        ("Tesla V100-SXM2-16GB", "16-mixed", None),  # 125
        ("Tesla V100-SXM2-32GB", "16-mixed", None),
        ("NVIDIA GeForce RTX 3060", "16-mixed", 25.6),
        ("NVIDIA GeForce RTX 3060 Ti", "16-mixed", None),
        ("NVIDIA GeForce RTX 3060 Laptop GPU", "16-mixed", None),
        ("NVIDIA GeForce RTX 3090", "16-mixed", 71.0),
        ("NVIDIA GeForce RTX 4090", "bf16-mixed", 165.2),
        ("NVIDIA A10", "bf16-mixed", 125.0),
        ("NVIDIA A10G", "16-mixed", None),
        ("NVIDIA A100-SXM4-40GB", "bf16-mixed", 312.0),
        ("NVIDIA A100-PCIE-40GB", "bf16-mixed", 312.0),
        ("NVIDIA A100-SXM4-80GB", "bf16-mixed", 312.0),
        ("NVIDIA A100 80GB PCIe", "32-true", 19.5),
        ("NVIDIA H100 80GB HBM3", "bf16-mixed", 989.0),
        ("NVIDIA H100 PCIe", "bf16-mixed", None),  # 756
    ],
)
def test_the_peak_is_that_of_the_card_by_this_very_name(
    monkeypatch: pytest.MonkeyPatch, name: str, precision: str, peak: float | None
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
    assert peak_tflops(torch.device("cuda"), precision) == peak
    assert peak_tflops(torch.device("cpu"), precision) is None


@pytest.mark.slow
def test_what_is_recomputed_does_not_count() -> None:
    cfg = composed("model=toy_clip", "batch.per_device=2")
    expected = training_flops(build_outline(cfg), 2) / 2
    for memory in ("memory.recompute_mlp=true", "memory.checkpoint_blocks=4"):
        cfg = composed("model=toy_clip", "batch.per_device=2", memory)
        assert training_flops(build_outline(cfg), 2) / 2 > expected
        assert flops_of_a_clip(OmegaConf.to_container(cfg, resolve=False)) == expected


def test_operations_are_counted_while_anomalies_are_looked_for() -> None:
    cfg = composed("model=toy_vit", "batch.per_device=2")
    with torch.autograd.set_detect_anomaly(True):
        assert training_flops(build_outline(cfg), 2) > 0


class Module:
    """Keeps what is logged."""

    device = torch.device("cpu")
    origin = SimpleNamespace(config={})  # of no model: counting its operations fails

    def __init__(self) -> None:
        self.logged: dict[str, float] = {}

    def step_finished(self) -> bool:
        return True

    def log(self, name: str, value: float, **_: Any) -> None:
        self.logged[name] = value


def test_a_measurement_that_fails_is_left_out_and_the_others_go_on(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    speed, module = Speed(), Module()
    trainer: Any = SimpleNamespace(
        precision="32-true", global_step=1, log_every_n_steps=1, world_size=1, is_global_zero=False
    )
    speed.on_train_start(trainer, module)
    assert "speed/tflop_per_s left out, the run goes on" in caplog.text
    batch: Any = SimpleNamespace(labels=[0, 1])
    speed.on_train_batch_end(trainer, module, None, batch, 0)
    assert module.logged["speed/clips_per_s"] > 0
    assert not {"speed/tflop_per_s", "speed/peak_share"} & module.logged.keys()
    monkeypatch.setattr("video_adapters.training.callbacks.speed.peak_memory", lambda: 1 / 0)
    speed.on_train_batch_end(trainer, module, None, batch, 0)
    assert "speed/* left out, the run goes on: ZeroDivisionError" in caplog.text
