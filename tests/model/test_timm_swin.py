"""Swin's blocks against the published network and their equations."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from video_adapters.model.adapters.aim import Aim
from video_adapters.model.backbone import Backbone
from video_adapters.model.encoders.pretrained import fingerprint, load_encoder, open_up
from video_adapters.model.execution import Memory

from helpers.networks import clips, executions, network, randomise, timm_swin

T = 3


def swin(**changes: Any) -> Any:
    return open_up(network(timm_swin(**changes)))


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_the_time_bias_trains_in_mixed_precision(precision: torch.dtype) -> None:
    def gradients(enabled: bool) -> list[Tensor]:
        torch.manual_seed(0)
        backbone = Backbone(swin(), Aim(temporal="even", time_bias=True, drop_path=0.0), T)
        randomise(backbone)
        with torch.autocast("cpu", precision, enabled=enabled):
            backbone.features(clips(num_frames=T)).float().square().sum().backward()
        return [backbone.get_parameter(f"blocks.{i}.time_bias.table").grad for i in (0, 2)]

    for mixed, full in zip(gradients(True), gradients(False), strict=True):
        assert (mixed - full).abs().max() < 0.05 * full.abs().max()


def test_even_blocks_are_those_that_do_not_shift() -> None:
    encoder = open_up(network(timm_swin(depths=(2, 4), patch_size=2)))
    adapted = Aim(temporal="even").adapt(encoder, executions(T, depth=6)).blocks
    shifted = [any(block.parts.block.shift_size) for block in adapted]
    assert shifted == [False, True, False, True, False, True]
    assert [block.temporal is None for block in adapted] == shifted


def test_a_copy_for_time_has_no_weight_that_time_does_not_use() -> None:
    names = {name for name, _ in swin().blocks[0].time_copy().named_parameters()}
    linear = {f"block.attn.{layer}.{end}" for layer in ("qkv", "proj") for end in ("weight", "bias")}
    assert names == {"block.norm1.weight", "block.norm1.bias"} | linear


def microsoft(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """timm's names -> Microsoft's: downsampling ends a stage there, buffers are stored, a classifier is present."""
    names = {f"layers.{i + 1}.downsample": f"layers.{i}.downsample" for i in range(3)}
    renamed = {}
    for name, value in state.items():
        stage = ".".join(name.split(".")[:3])
        renamed[name.replace(stage, names.get(stage, stage))] = value
    extra = {
        "layers.0.blocks.1.attn_mask": torch.zeros(4, 16, 16),
        "layers.0.blocks.0.attn.relative_position_index": torch.zeros(16, 16, dtype=torch.long),
        "head.weight": torch.zeros(21841, 32),
        "head.bias": torch.zeros(21841),
    }
    return renamed | extra


def test_a_file_of_microsoft_loads_by_its_model_key(tmp_path: Path) -> None:
    published = network(timm_swin()).eval()
    torch.save({"model": microsoft(published.state_dict())}, tmp_path / "swin_base_patch4_window7_224_22k.pth")
    encoder = load_encoder(timm_swin(), weights=str(tmp_path / "swin_base_patch4_window7_224_22k.pth"))
    assert encoder.fingerprint == fingerprint(published)
    backbone = Backbone(encoder, Aim(), T, memory=Memory(skip_dead_work=False)).eval()
    given = clips(num_frames=T)
    with torch.no_grad():
        expected = published(backbone.normalise(given).flatten(0, 1))
        assert torch.equal(backbone.features(given).flatten(0, 1), expected)


def test_a_file_that_lacks_a_stage_is_refused(tmp_path: Path) -> None:
    state = microsoft(network(timm_swin()).state_dict())
    torch.save({"model": {n: v for n, v in state.items() if "layers.1" not in n}}, tmp_path / "swin.pth")
    with pytest.raises(ValueError, match=r"could not be loaded .* Missing key"):
        load_encoder(timm_swin(), weights=str(tmp_path / "swin.pth"))


@pytest.mark.parametrize(
    ("build_of_it", "message"),
    [
        (timm_swin(num_classes=5), "without its classifier"),
        (timm_swin(global_pool=""), "with mean pooling"),
        (timm_swin(strict_img_size=False), "with a fixed image size"),
    ],
)
def test_a_build_that_would_run_otherwise_is_refused(build_of_it: "partial[Any]", message: str) -> None:
    with pytest.raises(ValueError, match=f"SwinTransformer is supported only {message}"):
        open_up(network(build_of_it))
