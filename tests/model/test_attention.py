"""Attention over frames and places against torch's own, place by place."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from video_adapters.memory.autocast import as_on_the_card
from video_adapters.model.adapters.aim import Aim
from video_adapters.model.backbone import Backbone
from video_adapters.model.encoders.attention import Heads, Unprojected, over_time, split, within_frames
from video_adapters.model.encoders.pretrained import open_up

from helpers.networks import BUILDS, clips, network

B, T, N, HEADS, SIZE = 2, 3, 5, 2, 4


def heads() -> Heads:
    generator = torch.Generator().manual_seed(0)
    q, k, v = torch.randn(3, B * T, N, HEADS, SIZE, generator=generator)
    return Heads(q, k, v)


def attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | float = 0.0) -> Tensor:
    """(heads, L, d), written out."""
    return ((q @ k.transpose(1, 2)) / SIZE**0.5 + bias).softmax(-1) @ v


def test_frames_are_attended_to_one_by_one() -> None:
    given = heads()
    ours = within_frames(given)
    for m in range(B * T):
        q, k, v = (part[m].transpose(0, 1) for part in given)
        torch.testing.assert_close(ours[m], attention(q, k, v).transpose(0, 1).flatten(1))


def test_a_bias_over_frozen_tokens_trains_on_a_card_too() -> None:
    with FakeTensorMode(), as_on_the_card((8, 0)):  # refuses masks that train alone
        bias = torch.zeros(HEADS, T, T, requires_grad=True)
        over_time(Heads(*torch.zeros(3, B * T, N, HEADS, SIZE)), T, bias).sum().backward()
        assert bias.grad is not None


def test_a_bias_over_frozen_tokens_has_the_gradient_of_one_over_trained_ones() -> None:
    def gradient(given: Heads) -> Tensor:
        bias = torch.linspace(-1, 1, HEADS * T * T).view(HEADS, T, T).requires_grad_()
        over_time(given, T, bias).square().sum().backward()
        assert bias.grad is not None
        return bias.grad

    trained = Heads(*(part.requires_grad_() for part in heads()))
    torch.testing.assert_close(gradient(heads()), gradient(trained), rtol=0, atol=0)


@pytest.mark.parametrize("biased", [False, True])
def test_places_are_attended_to_one_by_one_through_the_frames_of_their_clip(biased: bool) -> None:
    given = heads()
    bias = torch.randn(HEADS, T, T) if biased else None
    ours = over_time(given, T, bias).unflatten(0, (B, T))
    for clip in range(B):
        for place in range(N):
            q, k, v = (part.unflatten(0, (B, T))[clip, :, place].transpose(0, 1) for part in given)
            expected = attention(q, k, v, 0.0 if bias is None else bias)
            torch.testing.assert_close(ours[clip, :, place], expected.transpose(0, 1).flatten(1))


def test_nothing_is_copied_on_the_way_into_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    given = heads()
    seen: list[Tensor] = []
    kernel = F.scaled_dot_product_attention
    monkeypatch.setattr(F, "scaled_dot_product_attention", lambda *qkv, **how: seen.extend(qkv) or kernel(*qkv, **how))
    within_frames(given)
    over_time(given, T)
    storages = [part.untyped_storage().data_ptr() for part in given]
    assert [part.untyped_storage().data_ptr() for part in seen] == storages * 2


def test_a_packed_layer_is_split_into_queries_keys_and_values() -> None:
    x, weight, bias = torch.randn(2, N, 8), torch.randn(24, 8), torch.randn(24)
    packed = (x @ weight.T + bias).unflatten(-1, (3, HEADS, SIZE))
    for keep in (None, 1):
        q, k, v = split(x, weight, bias, HEADS, keep)
        torch.testing.assert_close(q, packed[:, :keep, 0])
        torch.testing.assert_close(k, packed[:, :, 1])
        torch.testing.assert_close(v, packed[:, :, 2])


def test_what_an_attention_gives_is_projected_and_scaled() -> None:
    mixed, weight, bias, scale = torch.randn(2, N, 8), torch.randn(8, 8), torch.randn(8), torch.randn(8)
    expected = (mixed @ weight.T + bias) * scale
    torch.testing.assert_close(Unprojected(mixed, weight, bias, scale).project(), expected)
    assert Unprojected(mixed).project() is mixed


QUICK = ("timm", "timm normed queries", "timm EVA-02", "timm Swin", "open_clip")  # one of each class of attention


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in QUICK else pytest.mark.slow) for n in BUILDS])
def test_no_attention_sees_a_batch_that_grows_with_the_places(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA's kernels take fewer than 65 536 rows: 333 clips of this size would be more, if each place were one."""
    batches: list[int] = []
    kernel = F.scaled_dot_product_attention

    def watched(q: Tensor, *others: Tensor, **how: Tensor) -> Tensor:
        assert q.dim() == 4
        batches.append(q.shape[0])
        return kernel(q, *others, **how)

    monkeypatch.setattr(F, "scaled_dot_product_attention", watched)
    with torch.device("meta"):
        backbone = Backbone(open_up(network(BUILDS[name]).to("meta")), Aim(time_bias=True), 4)
    backbone.features(clips(num_clips=333).to("meta"))
    assert max(batches) <= 333 * 4
