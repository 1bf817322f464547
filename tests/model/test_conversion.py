"""Published weights in other names and sizes than the network's, against timm's own loading of them."""

from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
from torch import Tensor

from video_adapters.model.encoders.conversion import converted

from helpers.networks import randomise

State = dict[str, Tensor]
NARROW: dict[str, Any] = {"embed_dim": 32, "depth": 1, "num_heads": 2, "num_classes": 0}


def as_published(state: State) -> State:
    return state


def with_gammas(state: State) -> State:
    return {name.replace(".ls1.gamma", ".gamma_1").replace(".ls2.gamma", ".gamma_2"): x for name, x in state.items()}


def with_attention_pooling(state: State) -> State:
    return state | {"attn_pool.latent": torch.zeros(1, 1, 32)}


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("deit3_small_patch16_224.fb_in22k_ft_in1k", with_gammas),
        ("flexivit_small.1200ep_in1k", as_published),
        ("vit_base_patch16_radio_v3.c_radio", as_published),
        ("vit_base_patch16_siglip_gap_224.v2_webli", with_attention_pooling),
        ("vit_small_patch16_224.augreg_in21k", as_published),
    ],
)
def test_weights_are_converted_as_timms_constructors_do(name: str, published: Callable[[State], State]) -> None:
    larger = timm.create_model(name, img_size=80, **NARROW)
    randomise(larger, scale=1.0)
    state = published(larger.state_dict())
    expected = timm.create_model(
        name, pretrained=True, pretrained_cfg_overlay={"state_dict": dict(state)}, img_size=48, **NARROW
    ).state_dict()
    net = timm.create_model(name, img_size=48, **NARROW)
    net.load_state_dict(converted(state, net))  # strictly
    assert [key for key, value in net.state_dict().items() if not torch.equal(value, expected[key])] == []
