"""What a run's figures of speed are shares of."""

import pytest
import torch
from omegaconf import OmegaConf

from video_adapters.model.cost import training_flops
from video_adapters.training.build import build_outline
from video_adapters.training.speed import flops_of_a_clip, peak_tflops

from toy import composed


@pytest.mark.parametrize(
    ("name", "precision", "peak"),  # configs/gpu
    [
        ("NVIDIA GeForce GTX 1080 Ti", "16-mixed", 11.3),
        ("GeForce GTX 1080 Ti", "32-true", 11.3),
        ("NVIDIA A100-SXM4-40GB", "bf16-mixed", 312.0),
        ("Tesla V100-SXM2-16GB", "16-mixed", 112.0),
        ("NVIDIA GeForce RTX 3060 Ti", "16-mixed", None),
        ("NVIDIA A10G", "16-mixed", None),
    ],
)
def test_the_peak_is_that_of_the_card_by_this_very_name(
    monkeypatch: pytest.MonkeyPatch, name: str, precision: str, peak: float | None
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
    assert peak_tflops(torch.device("cuda"), precision) == peak
    assert peak_tflops(torch.device("cpu"), precision) is None


def test_what_is_recomputed_does_not_count() -> None:
    cfg = composed("model=toy_clip", "batch.per_device=2")
    expected = training_flops(build_outline(cfg), 2) / 2
    for memory in ("memory.recompute_mlp=true", "memory.checkpoint_blocks=4"):
        cfg = composed("model=toy_clip", "batch.per_device=2", memory)
        assert training_flops(build_outline(cfg), 2) / 2 > expected
        assert flops_of_a_clip(OmegaConf.to_container(cfg, resolve=False)) == expected
