"""Encoders of configs/model as small networks of their own classes, by which what they claim is checked."""

from copy import deepcopy
from functools import partial
from typing import Any

import pytest
import timm
import torch
import yaml
from torch import nn

from video_adapters.commands.config import config_names
from video_adapters.model.adapters.aim import Aim
from video_adapters.model.backbone import Backbone
from video_adapters.model.encoders.pretrained import open_up
from video_adapters.model.encoders.published import licence_of
from video_adapters.model.execution import Memory

from helpers.networks import network
from helpers.toy import CONFIGS

NARROW: dict[str, Any] = {"embed_dim": 48, "depth": 2, "num_heads": 2}


def content(model: str) -> Any:
    return yaml.safe_load((CONFIGS / "model" / f"{model}.yaml").read_text())


def narrowed(model: str) -> "partial[nn.Module] | None":
    """timm's create_model as a config calls it, for 3 x 3 patches; None for other builds, and those that are small."""
    arguments = {key: value for key, value in content(model)["encoder"].items() if not key.startswith("_")}
    name = arguments["model_name"]
    if content(model)["encoder"]["_target_"] != "timm.create_model" or "swin" in name or arguments.keys() & NARROW:
        return None
    return partial(timm.create_model, **{**arguments, **NARROW, "img_size": 3 * (14 if "patch14" in name else 16)})


MODELS = [model for model in config_names("model") if model not in ("timm", "open_clip")]
NARROWED = {model: build for model in MODELS if (build := narrowed(model))}
NARROWED["siglip2 with its attention pooling"] = partial(
    timm.create_model, model_name="vit_base_patch16_siglip_224.v2_webli", num_classes=0, img_size=48, **NARROW
)
"""timm's encoders among the configs, and SigLIP 2's image tower alone, all narrow and shallow."""


@pytest.mark.parametrize("model", NARROWED)
def test_under_untrained_adapters_features_are_the_librarys_own_to_the_bit(model: str) -> None:
    net: Any = network(NARROWED[model]).eval()
    encoder = open_up(deepcopy(net))
    backbone = Backbone(encoder, Aim(temporal_in="all"), 2, memory=Memory(skip_dead_work=False)).eval()
    clips = torch.rand(1, 2, 3, *encoder.image_size)
    with torch.no_grad():
        expected = net(clips[0])
        assert torch.equal(backbone.features(clips)[0], expected)
    assert expected.std() > 0.01


FACTS: dict[str, tuple[int, bool, int | None, str]] = {  # prefix, class token, tokens that are pooled, licence
    "siglip2_gap_vit_b16": (0, False, None, "apache-2.0"),
    "siglip2 with its attention pooling": (0, False, None, "apache-2.0"),
    "dinov2_reg_vit_s14": (5, True, 1, "apache-2.0"),
    "dinov2_reg_vit_b14": (5, True, 1, "apache-2.0"),
    "aimv2_vit_l14": (0, False, None, "apple-ascl"),
    "tipsv2_vit_b14": (2, True, 1, "apache-2.0"),
    "c_radio_v3_vit_b16": (8, True, 1, "nvidia-open-model-license"),
    "imagenet21k_vit_s16": (1, True, 1, "apache-2.0"),
}


@pytest.mark.parametrize("model", FACTS)
def test_what_configs_say_of_their_encoders_is_so(model: str) -> None:
    build = NARROWED[model]
    encoder = open_up(network(build))
    tag = content(model)["weights"] if model in MODELS else "v2_webli"
    facts = (encoder.prefix, encoder.class_token, encoder.pooled, licence_of(build, tag))
    assert facts == FACTS[model]


def test_tips_takes_pixels_as_they_are() -> None:
    encoder = open_up(network(NARROWED["tipsv2_vit_b14"]))
    assert (encoder.mean, encoder.std) == ((0, 0, 0), (1, 1, 1))
