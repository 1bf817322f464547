"""Attention weights as pictures, from weights made by hand."""

from typing import Any

import pytest
import torch
from timm.models.swin_transformer import window_partition

from video_adapters.model.attention_maps import enlarged, looked_at, looked_at_over_time, over_time
from video_adapters.model.attention_weights import BlockAttention, attention

from helpers.small_backbones import backbone, clip

T, N, HEADS = 4, 5, 2  # frames, tokens (a class token and 2 x 2 patches), heads


def vit_weights(queries: int = N) -> torch.Tensor:
    return torch.full((T, 1, HEADS, queries, N), 1 / N)


def test_a_vits_map_is_what_its_class_token_looks_at() -> None:
    space = vit_weights()
    # frame 1: the class token, in both heads, spreads 0.2 on itself and 0.8 on patches: 0.1, 0.1, 0.2, 0.4
    space[1, 0, :, 0] = torch.tensor([0.2, 0.1, 0.1, 0.2, 0.4])
    space[1, 0, :, 3] = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0])  # a patch, which nobody asks
    maps = looked_at(backbone("timm"), 0, BlockAttention(space, None, (N,)))
    assert maps.shape == (T, 2, 2)
    torch.testing.assert_close(maps[0], torch.ones(2, 2))
    torch.testing.assert_close(maps[1], torch.tensor([[0.5, 0.5], [1.0, 2.0]]))  # over their mean, 0.2


def test_without_a_read_class_token_the_map_is_the_mean_over_patches() -> None:
    space = vit_weights()
    space[0, 0, :, 0] = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0])  # the class token, which the feature leaves out
    space[0, 0, :, 1] = torch.tensor([0.2, 0.0, 0.0, 0.0, 0.8])
    maps = looked_at(backbone("timm mean pooling"), 0, BlockAttention(space, None, (N,)))
    # patches 1 to 3 get 3 x 0.2, the last one 0.8 more: 0.15, 0.15, 0.15, 0.35, mean 0.2
    torch.testing.assert_close(maps[0], torch.tensor([[0.75, 0.75], [0.75, 1.75]]))


def test_registers_are_no_patches() -> None:
    found = attention(backbone("timm with registers"), clip())
    assert found[0].tokens == (7,)
    assert looked_at(backbone("timm with registers"), 0, found[0]).shape == (T, 2, 2)


@pytest.mark.parametrize("family", ["timm Swin", "timm Swin with odd grid"])
@pytest.mark.parametrize("block", [0, 1])
def test_a_swins_windows_go_back_to_their_places(family: str, block: int) -> None:
    """Shifted, padded and cut into windows as timm does it, a picture must come out as it was."""
    net = backbone(family)
    swin: Any = net.blocks[block].parts.block
    side = attention(net, clip())[block].tokens[0]
    picture = torch.rand(T, side, side)
    shifted = torch.roll(picture, [-s for s in swin.shift_size], (1, 2))
    pad = -side % swin.window_size[0]
    padded = torch.nn.functional.pad(shifted, (0, pad, 0, pad))
    windows = window_partition(padded[..., None], swin.window_size).flatten(1)  # (T * windows, keys)
    keys = windows.shape[1]
    space = (windows / keys).view(T, -1, 1, 1, keys).expand(-1, -1, 2, keys, -1)
    torch.testing.assert_close(looked_at(net, block, BlockAttention(space, None, (side, side))), picture)


def test_time_is_the_mean_over_places_and_heads() -> None:
    time = torch.zeros(N, HEADS, T, T)
    time[..., 0] = 1.0  # all look at the first frame
    time[0, 0] = torch.eye(T)  # one head at one of 5 places x 2 heads: each at itself
    found = over_time(BlockAttention(None, time, (N,)))
    assert found[:, 0].tolist() == pytest.approx([1.0, 0.9, 0.9, 0.9])
    assert found.diagonal().tolist() == pytest.approx([1.0, 0.1, 0.1, 0.1])


def test_evenly_spread_attention_over_time_is_one_everywhere() -> None:
    time = torch.full((N, HEADS, T, T), 1 / T)
    maps = looked_at_over_time(backbone("timm"), BlockAttention(None, time, (N,)))
    torch.testing.assert_close(maps, torch.ones(T, 2, 2))


def test_what_frames_take_from_themselves_is_not_counted_and_the_class_token_is_no_place() -> None:
    time = torch.zeros(N, HEADS, T, T)
    time[:] = torch.eye(T)
    time[4, :] = 0.0
    time[4, :, :, 2] = 1.0  # at the last patch, every frame looks at frame 2
    maps = looked_at_over_time(backbone("timm"), BlockAttention(None, time, (N,)))
    expected = torch.zeros(T, 2, 2)
    expected[2, 1, 1] = 4.0  # 3 other frames give 1 each; evenly spread they would give 1/4 each
    torch.testing.assert_close(maps, expected)


def test_blocks_that_do_not_attend_so_have_no_maps() -> None:
    nothing = BlockAttention(None, None, (N,))
    with pytest.raises(ValueError, match="block 0 does not attend within frames"):
        looked_at(backbone("timm"), 0, nothing)
    with pytest.raises(ValueError, match="does not attend over time"):
        over_time(nothing)


def test_maps_grow_to_the_size_of_frames() -> None:
    assert enlarged(torch.ones(T, 2, 2), (32, 48)).shape == (T, 32, 48)
    torch.testing.assert_close(enlarged(torch.ones(T, 2, 2), (32, 48)), torch.ones(T, 32, 48))
