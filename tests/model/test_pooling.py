"""Where an encoder ends and what it gives of a frame: depth and pooling, against the libraries' own."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from video_adapters.model.adapters.aim import Aim
from video_adapters.model.backbone import Backbone
from video_adapters.model.build import build_outline, cost
from video_adapters.model.encoders.pooling import POOLS, kinds
from video_adapters.model.encoders.pretrained import expect_weights, load_encoder, open_up

from helpers.networks import BUILDS, DEPTH, clips, network, timm_swin, timm_vit, with_our_activation
from helpers.rounding import BLOCK, assert_rounded
from helpers.toy import CONFIGS, composed

T = 4
QUICK = ("timm like DINOv2", "open_clip mean, then norm", "timm Swin")
FROZEN = Aim(temporal=None, spatial=None, joint=None, final_norm=False)


def cut(net: nn.Module, depth: int | None, pool: str | None) -> Backbone:
    encoder = open_up(net)
    encoder.cut(depth)
    encoder.set_pool(pool)
    return Backbone(encoder, FROZEN, T).eval()


def tokens_behind_norm(net: Any, frames: Tensor, depth: int) -> Tensor:
    """By the library's own way to its middle layers: (B*T, N, D), class token and registers first."""
    settings = {"indices": [depth - 1], "output_fmt": "NLC", "intermediates_only": True}
    if hasattr(net, "get_intermediate_layers"):
        patches, prefix = net.get_intermediate_layers(frames, n=[depth - 1], norm=True, return_prefix_tokens=True)[0]
    else:
        of = net.forward_intermediates(frames, normalize_intermediates=True, output_extra_tokens=True, **settings)
        patches, prefix = of["image_intermediates"][0], of["image_intermediates_prefix"][0]
    return torch.cat((prefix, patches), dim=1)


@pytest.mark.parametrize("depth", [DEPTH - 1, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, DEPTH))])
@pytest.mark.parametrize("name", ["timm", "timm like DINOv2", "open_clip"])
@torch.no_grad()
def test_features_of_any_block_are_those_that_the_library_gives_of_its_middle_layers(name: str, depth: int) -> None:
    net = network(BUILDS[name])
    published = with_our_activation(net).eval()
    for kind in ("class", "patches", "both"):
        ours = cut(with_our_activation(net), depth, kind)
        tokens = tokens_behind_norm(published, ours.normalise(clips()).flatten(0, 1), depth)
        parts = {"class": tokens[:, 0], "patches": tokens[:, ours.encoder.prefix :].mean(1)}
        expected = parts.get(kind, torch.cat(list(parts.values()), dim=-1))
        features = ours(clips()).flatten(0, 1)
        assert features.shape[-1] == ours.width == expected.shape[-1]
        assert_rounded(features, expected, depth * BLOCK)
        assert len(ours.blocks) == depth


@torch.no_grad()
def test_a_swin_ends_within_its_last_stage() -> None:
    published: Any = network(timm_swin(depths=(2, 3))).eval()
    ours, other = cut(deepcopy(published), 4, "patches"), open_up(deepcopy(published))
    published.layers[1].blocks = published.layers[1].blocks[:2]
    assert_rounded(ours(clips()).flatten(0, 1), published(ours.normalise(clips()).flatten(0, 1)), 4 * BLOCK)
    with pytest.raises(ValueError, match=r"model.depth is 2, expected 3 to 5 blocks, .* within its last one only"):
        other.cut(2)


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in QUICK else pytest.mark.slow) for n in BUILDS])
@torch.no_grad()
def test_one_pass_gives_every_kind_that_an_encoder_has(name: str) -> None:
    """Each equals what a model built for it gives; the library's own is none of these where it norms the mean."""
    net = network(BUILDS[name])
    backbone = cut(deepcopy(net), None, None)
    tokens = backbone.tokens(clips())
    whole = Backbone(open_up(deepcopy(net)), FROZEN, T, reads="tokens").eval().tokens(clips())
    assert torch.equal(backbone.encoder.pool_as(tokens, None), backbone.encoder.pool(tokens))
    for kind in kinds(backbone.encoder):
        alone = cut(deepcopy(net), None, kind)
        assert_rounded(backbone.encoder.pool_as(whole, kind), alone(clips()).flatten(0, 1), DEPTH * BLOCK)


def test_kinds_without_a_class_token_are_refused_and_those_there_are_named() -> None:
    without = timm_vit(class_token=False, reg_tokens=2, global_pool="avg")  # a register is no class token
    for build in (without, timm_swin()):
        encoder = open_up(network(build))
        assert kinds(encoder) == ("patches",)
        for kind in ("class", "both"):
            with pytest.raises(ValueError, match=rf"model.pool={kind} needs the class token, .* it has: patches"):
                encoder.set_pool(kind)


def test_an_unknown_kind_and_impossible_depths_are_refused() -> None:
    for refuse in (load_encoder, expect_weights):
        with pytest.raises(ValueError, match=r"'patch' \(did you mean patches\?\); expected class, patches, both"):
            refuse(timm_vit(), allow_random=True, pool="patch")
    odd: list[Any] = [0, DEPTH + 1, -1, 1.5, "last"]
    for depth in odd:
        with pytest.raises(ValueError, match=rf"model.depth is {depth}, expected 1 to {DEPTH} blocks, or null: all$"):
            load_encoder(timm_vit(), allow_random=True, depth=depth)


def test_a_pooling_is_refused_where_the_head_reads_tokens() -> None:
    encoder = open_up(network(timm_vit()))
    encoder.set_pool("class")
    with pytest.raises(ValueError, match=r"model.pool=class makes one feature .* give model.pool=null"):
        Backbone(encoder, FROZEN, T, reads="tokens")


def test_the_fingerprint_is_that_of_the_whole_network() -> None:
    def fingerprint(**ends: Any) -> str:
        torch.manual_seed(0)
        return load_encoder(timm_vit(), allow_random=True, **ends).fingerprint

    assert fingerprint() == fingerprint(depth=1, pool="both")


def with_model(cfg: DictConfig, **keys: Any) -> DictConfig:
    return OmegaConf.merge(cfg, {"model": keys})


def test_a_frozen_run_trains_the_head_alone_and_blocks_that_are_cut_cost_nothing() -> None:
    """The class token alone is read: the last block leaves out what the others would need, whichever it is."""
    cfg = composed("model=toy_vit", "adapter=frozen")
    assert set(build_outline(cfg).trainable()) == {"head.linear.weight", "head.linear.bias"}
    whole, less = cost(cfg), cost(with_model(cfg, depth=3))
    block = sum(p.numel() for p in build_outline(cfg).backbone.blocks[0].parameters())
    assert whole.params - less.params == block
    tokens = cfg.data.num_frames * 26  # 25 patches of 8 pixels, and the class token
    linears = 12 * 32 * 32  # qkv 3, projection 1, MLP 8: a token's products with each weight
    assert whole.macs - less.macs == tokens * (linears + 2 * 26 * 32)  # and QK^T and AV
    assert build_outline(with_model(cfg, pool="both")).head.linear.in_features == 64


@pytest.mark.parametrize("path", sorted((CONFIGS / "model").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_model_config_has_the_keys(path: Any) -> None:
    assert path.stem == "base" or OmegaConf.load(path).defaults[0] == "base"


def test_every_way_to_pool_is_named_in_the_config() -> None:
    text = (CONFIGS / "model" / "base.yaml").read_text()
    assert all(kind in text for kind in POOLS)
