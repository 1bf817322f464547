"""Attention weights of a forward pass, beside those computed by hand."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from video_adapters.model.adapters.aim import Aim
from video_adapters.model.adapters.side4video import Side4Video
from video_adapters.model.attention_weights import Weights, attention
from video_adapters.model.backbone import Backbone

from helpers.small_backbones import FAMILIES, backbone, clip


def by_hand(x: Tensor, weight: Tensor, bias: Tensor, num_heads: int) -> Tensor:
    """softmax(Q K^T / sqrt(d)) of tokens (M, N, D) by in-projections (3 D, D): (M, heads, N, N)."""
    q, k, _ = (x @ weight.T + bias).chunk(3, dim=-1)
    size = x.shape[-1] // num_heads
    heads = [
        (q[..., i * size : (i + 1) * size] @ k[..., i * size : (i + 1) * size].mT / math.sqrt(size)).softmax(-1)
        for i in range(num_heads)
    ]
    return torch.stack(heads, dim=1)


def weights(query: Tensor, keys: Tensor, *mask: Tensor, **settings: Any) -> Tensor:
    """What the mode sees of one attention."""
    with Weights() as mode:
        F.scaled_dot_product_attention(query, keys, keys, *mask, **settings)
    (kept,) = mode.kept
    return kept


def test_two_keys_share_attention_as_their_scores_say() -> None:
    query, keys = torch.tensor([[[2.0, 0.0]]]), torch.tensor([[[1.0, 5.0], [0.0, 5.0]]])
    (row,) = weights(query, keys)[0]
    first = math.exp(2 / math.sqrt(2))
    assert row.tolist() == pytest.approx([first / (first + 1), 1 / (first + 1)])


def test_masks_are_added_or_forbid() -> None:
    q = torch.zeros(1, 1, 2)
    assert weights(q, q.expand(1, 3, 2), torch.tensor([[True, False, True]]))[0, 0].tolist() == [0.5, 0, 0.5]
    added = weights(q, q.expand(1, 2, 2), torch.tensor([[math.log(3.0), 0.0]]))
    assert added[0, 0].tolist() == pytest.approx([0.75, 0.25])
    assert weights(q + 1, q.expand(1, 2, 2) + torch.tensor([[[1.0], [0.0]]]), scale=0.0)[0, 0].tolist() == [0.5] * 2


def test_causal_attention_has_no_weight_on_what_is_to_come() -> None:
    x = torch.zeros(1, 2, 2)
    assert weights(x, x, is_causal=True)[0].tolist() == [[1, 0], [0.5, 0.5]]


def test_the_mode_sees_the_fused_kernel_and_changes_nothing() -> None:
    q, k, v = torch.randn(3, 2, 4, 5, 8).unbind()
    plain = F.scaled_dot_product_attention(q, k, v)
    with Weights() as mode:
        seen = F.scaled_dot_product_attention(q, k, v)
    assert torch.equal(plain, seen)
    (found,) = mode.kept
    torch.testing.assert_close(found @ v, plain)


@torch.inference_mode()
def test_the_mode_sees_into_torchs_own_attention_module() -> None:
    module = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    nn.init.normal_(module.in_proj_bias)
    x = torch.randn(3, 5, 8)
    with Weights() as mode:
        module(x, x, x, need_weights=False)
    (found,) = mode.kept
    torch.testing.assert_close(found, by_hand(x, module.in_proj_weight, module.in_proj_bias, 2))


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_sum_to_one_and_the_model_stays_as_it_was(family: str) -> None:
    net = backbone(family)
    before = net.features(clip()[None])
    keys = {name for module in net.modules() for name in vars(module)}
    found = attention(net, clip())
    assert torch.equal(net.features(clip()[None]), before)
    assert {name for module in net.modules() for name in vars(module)} == keys  # nothing is left behind
    assert not any(module._forward_pre_hooks for module in net.modules())
    for block in found:
        for part in (block.space, block.time):
            assert part is not None
            torch.testing.assert_close(part.sum(-1), torch.ones(part.shape[:-1]))


@pytest.mark.parametrize("family", ["timm", "open_clip"])
@torch.inference_mode()
def test_weights_of_a_vit_are_those_of_its_own_tokens(family: str) -> None:
    """The first block's, within frames and over time, from what enters it."""
    net = backbone(family)
    parts: Any = net.blocks[0].parts
    given: list[Tensor] = []
    handle = net.blocks[0].register_forward_pre_hook(lambda block, args: given.append(args[0]))
    found = attention(net, clip())[0]
    handle.remove()
    module = parts.block.attn
    layer = (module.qkv.weight, module.qkv.bias) if family == "timm" else (module.in_proj_weight, module.in_proj_bias)
    x = given[0]
    over_time = by_hand(parts.norm1(x).transpose(0, 1), *layer, parts.num_heads)  # places as rows
    assert found.time is not None
    torch.testing.assert_close(found.time, over_time)
    # adapters of an untrained AIM add nothing: what the attention within frames sees is x itself
    assert found.space is not None
    torch.testing.assert_close(found.space[:, 0], by_hand(parts.norm1(x), *layer, parts.num_heads))


def test_time_and_space_are_told_apart_where_a_frame_has_as_many_tokens_as_the_clip_frames() -> None:
    net = backbone("timm", num_frames=5)  # 4 patches and a class token
    found = attention(net, clip(5))
    assert [tuple(block.time.shape) for block in found if block.time is not None] == [(5, 4, 5, 5)] * 3
    # of the last block, nothing but the class token's answer is read
    assert [tuple(b.space.shape) for b in found if b.space is not None] == [(5, 1, 4, 5, 5)] * 2 + [(5, 1, 4, 1, 5)]


def test_blocks_without_a_step_over_time_have_no_attention_over_time() -> None:
    net = backbone("timm", temporal=[1])
    assert [block.time is None for block in attention(net, clip())] == [True, False, True]


def test_windows_have_an_axis_of_their_own() -> None:
    found = attention(backbone("timm Swin"), clip())
    assert [block.tokens for block in found] == [(8, 8), (8, 8), (4, 4)]
    shapes = [tuple(block.space.shape) for block in found if block.space is not None]
    assert shapes == [(4, 4, 2, 16, 16), (4, 4, 2, 16, 16), (4, 1, 4, 16, 16)]


def test_a_pass_that_fails_leaves_the_model_as_it_was() -> None:
    net: Backbone = backbone("timm")
    with pytest.raises(ValueError, match="frames"):
        attention(net, clip(3))
    assert not any("attend" in vars(module) for module in net.modules())


def test_beside_an_encoder_the_attention_is_its_own_as_without() -> None:
    """Of all tokens, since the network beside it reads them all."""
    plain = attention(backbone("timm", method=Aim(temporal=None, spatial=None, joint=None)), clip())
    ours = attention(backbone("timm", method=Side4Video(width=16, num_heads=2)), clip())
    for a, b in zip(ours[:-1], plain[:-1], strict=True):
        assert a.space is not None
        assert b.space is not None
        assert torch.equal(a.space, b.space)
        assert a.time is None
    assert ours[-1].space is not None
    assert ours[-1].space.shape[-2] == ours[-1].space.shape[-1] == 5
