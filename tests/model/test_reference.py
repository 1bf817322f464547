"""Features and gradients of the official AIM release (reference/README.md)."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from open_clip.transformer import QuickGELU, VisionTransformer
from torch import Tensor

from video_adapters.model.adapters.aim import Aim
from video_adapters.model.backbone import Backbone
from video_adapters.model.encoders.encoder import Encoder
from video_adapters.model.encoders.pretrained import load_encoder, open_up

from networks import timm_vit

REFERENCE = Path(__file__).parent / "reference"

SITES = {"T_Adapter": "temporal", "T_Adapter_in": "temporal_in", "S_Adapter": "spatial", "MLP_Adapter": "joint"}


def clip_encoder() -> Encoder:
    net = VisionTransformer(32, 16, 64, 3, 4, 4.0, act_layer=QuickGELU, output_dim=16)
    net.preprocess_cfg = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
    return open_up(net)


def imagenet_encoder() -> Encoder:
    return load_encoder(timm_vit(embed_dim=64, depth=3, num_heads=4), allow_random=True)


CASES = {
    "vit_clip_nt2": (clip_encoder, Aim(temporal_in="all", scale=1.0)),
    "vit_imagenet_nt1": (imagenet_encoder, Aim(scale=0.5)),
}


def ours(official: str, final_norm: str) -> str:
    """Our name of an official weight."""
    parts = official.removeprefix("transformer.res").split(".")
    if parts[0] == "blocks" and parts[2] in SITES:
        layer = {"D_fc1": "down", "D_fc2": "up"}[parts[3]]
        return f"blocks.{parts[1]}.{SITES[parts[2]]}.{layer}.{parts[4]}"
    if parts[0] == "blocks":
        return ".".join([*parts[:2], "parts", "block", *parts[2:]])
    if parts[0] == "ln_pre":
        return f"encoder.{official}"
    if parts[0] == "ln_post":
        return f"encoder.net.{final_norm}.{parts[1]}"
    return official if official == "temporal_embedding" else f"encoder.net.{official}"


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Backbone, dict[str, Tensor], dict[str, Any]]:
    """A backbone with the official weights, the official numbers by our names, and what the release says of them."""
    encoder, method = CASES[request.param]
    about = json.loads((REFERENCE / f"{request.param}.json").read_text())
    final_norm = "ln_post" if request.param == "vit_clip_nt2" else "norm"
    numbers = {}
    with np.load(REFERENCE / f"{request.param}.npz") as archive:
        for name in archive.files:
            kind, _, weight = name.partition("/")
            numbers[f"{kind}/{ours(weight, final_norm)}" if weight else name] = torch.from_numpy(archive[name])
    about["tunable"] = {ours(name, final_norm) for name in about["tunable"]}
    backbone = Backbone(encoder(), method, about["config"]["num_frames"])
    backbone.load_state_dict({name[2:]: value for name, value in numbers.items() if name.startswith("w/")})
    return backbone.eval(), numbers, about


def frames_last(numbers: Tensor) -> Tensor:
    """Official (B, D, T, 1, 1) -> (B, T, D)."""
    return numbers[..., 0, 0].transpose(1, 2)


def test_features_are_those_of_the_official_release(case: Any) -> None:
    backbone, numbers, _ = case
    features = backbone.features(numbers["input"].transpose(1, 2))
    torch.testing.assert_close(features, frames_last(numbers["features"]), atol=1e-5, rtol=0)


def test_gradients_are_those_of_the_official_release(case: Any) -> None:
    backbone, numbers, _ = case
    features = backbone.features(numbers["input"].transpose(1, 2))
    (features * frames_last(numbers["probe"])).sum().backward()
    for name, parameter in backbone.named_parameters():
        if parameter.requires_grad:
            expected = numbers[f"gp/{name}"]
            error = (parameter.grad - expected).abs().max() / expected.abs().max()
            assert error < 1e-4, name


def test_what_trains_is_what_the_official_release_trains(case: Any) -> None:
    backbone, numbers, about = case
    trained = {name for name, p in backbone.named_parameters() if p.requires_grad}
    assert trained == about["tunable"] == {name[3:] for name in numbers if name.startswith("gp/")}
