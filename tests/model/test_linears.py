"""Linear maps ahead of a block's layers and behind them, against the same folded into these layers' matrices."""

from typing import Any

import pytest
import torch
from torch import Tensor

from video_adapters.model.encoders.linears import Affine
from video_adapters.model.encoders.pretrained import open_up

from helpers.networks import BUILDS, network, randomise
from helpers.rounding import BLOCK, assert_rounded

MIXED = [name for name, build in BUILDS.items() if "Swin" not in name]


def parts_of(name: str) -> Any:
    parts = open_up(network(BUILDS[name])).blocks[0].double().eval()
    for norm in (m for m in parts.modules() if "Norm" in type(m).__name__):
        randomise(norm)
    return parts


def tokens(name: str, width: int) -> Tensor:
    side = (8, 8) if name == "timm Swin" else (16, 16) if "Swin" in name else (5,)
    return torch.randn(2, *side, width, generator=torch.Generator().manual_seed(0)).double()


def linear_map(width: int, shifted: bool) -> tuple[Tensor, Tensor | None]:
    matrix = torch.eye(width).double() + 0.1 * torch.randn(width, width).double()
    return matrix, torch.randn(width).double() if shifted else None


def mapped(x: Tensor, matrix: Tensor, shift: Tensor | None) -> Tensor:
    return x @ matrix.T + (0 if shift is None else shift)


@pytest.mark.parametrize("name", BUILDS)
@torch.no_grad()
def test_maps_next_to_a_blocks_layers_can_be_folded_into_them(name: str) -> None:
    parts = parts_of(name)
    layers, x = parts.linears(), tokens(name, parts.width)

    def both(into: list[Affine], out: Affine, run: Any) -> None:
        before = linear_map(parts.width, all(layer.bias for layer in into))
        after = linear_map(parts.width, out.bias is not None)
        expected = mapped(run(mapped(x, *before)), *after)
        assert not torch.allclose(run(x), expected, atol=0.01)
        for layer in into:
            layer.fold_before(*before)
        out.fold_after(*after)
        assert_rounded(run(x), expected, BLOCK)

    both(layers.attention_in, layers.attention_out, lambda x: parts.attend(x).project())
    both(layers.mlp_in, layers.mlp_out, parts.mlp)


@torch.no_grad()
def test_a_layer_scale_of_nothing_is_folded_exactly() -> None:
    parts = parts_of("timm like DINOv2")
    out = parts.linears().attention_out
    out.scale.zero_()
    matrix, shift = linear_map(parts.width, shifted=True)
    out.fold_after(matrix, shift)
    y = parts.attend(tokens("timm", parts.width)).project()
    assert shift is not None
    torch.testing.assert_close(y, shift.expand_as(y))


@pytest.mark.parametrize("name", ["timm like DINOv2", "open_clip layer scale", "timm Swin"])
def test_every_matrix_of_a_block_is_named_once(name: str) -> None:
    parts = open_up(network(BUILDS[name])).blocks[0]
    named = [*parts.linears().attention_in, parts.linears().attention_out, *parts.linears().mlp_in]
    named.append(parts.linears().mlp_out)
    matrices = {id(p) for p in parts.parameters() if p.dim() == 2} - {id(p) for p in parts.positions()}
    assert {id(getattr(layer.owner, layer.weight)) for layer in named} == matrices


@pytest.mark.parametrize("name", MIXED)
@torch.no_grad()
def test_keys_and_values_are_mixed_last(name: str) -> None:
    parts = parts_of(name)
    assert parts.mixes
    x = tokens(name, parts.width)
    plain, seen = parts.attend(x).project(), []

    def turned(t: Tensor) -> Tensor:
        seen.append(t.shape)
        return t.flip(1)

    # attention does not ask in which order pairs of a key and a value stand
    assert_rounded(parts.attend(x, mix=turned).project(), plain, BLOCK)
    assert seen == [(2, 5, parts.num_heads, parts.width // parts.num_heads)] * 2
    halves = iter((lambda t: t, lambda t: t.flip(1)))
    assert not torch.allclose(parts.attend(x, mix=lambda t: next(halves)(t)).project(), plain, atol=1e-3)
