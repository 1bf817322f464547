"""What heads read of a clip, and what follows from it for the backbone."""

from typing import Any

import pytest
import torch
from torch import Tensor

from video_adapters.model.adapters.adapted_block import AdapterMethod
from video_adapters.model.adapters.aim import Aim
from video_adapters.model.adapters.st_adapter import StAdapter
from video_adapters.model.backbone import Backbone
from video_adapters.model.build import build_classifier
from video_adapters.model.classifier import VideoClassifier
from video_adapters.model.encoders.pretrained import open_up
from video_adapters.model.heads.head import Head

from helpers.networks import BUILDS, DEPTH, clips, network, randomise
from helpers.rounding import BLOCK, assert_rounded
from helpers.toy import composed

T = 4


class TokenHead(Head):
    """The mean over all tokens of a clip."""

    reads = "tokens"

    def forward(self, features: Tensor, weights: Tensor | None = None) -> Tensor:
        return self.linear(features.mean((1, 2)))


def backbone(name: str, method: AdapterMethod, reads: Any) -> Backbone:
    torch.manual_seed(0)
    built = Backbone(open_up(network(BUILDS[name])), method, T, reads=reads).eval()
    randomise(built)
    return built


@pytest.mark.parametrize("name", BUILDS)
@torch.no_grad()
def test_the_feature_of_a_frame_is_pooled_from_the_tokens_that_other_heads_read(name: str) -> None:
    """By the class token or the mean over patches; where a norm comes after the mean, that of unnormed tokens."""
    frames = backbone(name, Aim(), "frames")
    tokens = backbone(name, Aim(), "tokens")
    read, pooled = tokens(clips()), frames.encoder.pooled
    height, width = frames.encoder.image_size
    assert read.shape[:2] == (2, T)
    assert read.shape[-1] == frames.width
    if "Swin" not in name:
        assert read.shape[2] == frames.encoder.prefix + (height // 16) * (width // 16)
    assert_rounded(tokens.features(clips()), frames(clips()), DEPTH * BLOCK)
    if pooled == 1:
        assert_rounded(read[:, :, 0], frames(clips()), DEPTH * BLOCK)
    elif name in ("timm Swin", "open_clip mean pooling"):
        assert_rounded(read[:, :, frames.encoder.prefix :].mean(2), frames(clips()), DEPTH * BLOCK)


@pytest.mark.parametrize("method", [Aim(temporal_in="all"), StAdapter(before_mlp="all")], ids=["AIM", "ST-Adapter"])
def test_a_head_may_read_every_token_and_all_that_makes_them_learns(method: AdapterMethod) -> None:
    """ST-Adapter has nothing ahead of the last MLP where the class token alone is read."""
    model = VideoClassifier(backbone("timm", method, "tokens"), TokenHead(32, 3)).train()
    model(clips()).square().sum().backward()
    assert [name for name, p in model.trainable().items() if p.grad is None or not p.grad.any()] == []
    if isinstance(method, StAdapter):
        last: Any = model.backbone.blocks[-1]
        assert last.before_mlp is not None


@pytest.mark.parametrize(
    ("adapter", "head"),
    [
        ("aim", "linear_in_order"),
        ("aim", "map head.reads=tokens"),
        pytest.param("aim", "map", marks=pytest.mark.slow),
        pytest.param("aim", "attentive head.positions=learned", marks=pytest.mark.slow),
        pytest.param("frozen", "linear_in_order", marks=pytest.mark.slow),
        pytest.param("frozen", "attentive", marks=pytest.mark.slow),
    ],
)
def test_heads_that_tell_order_train_on_top_of_adapters_and_of_the_frozen_encoder(adapter: str, head: str) -> None:
    cfg = composed("model=toy_vit", f"adapter={adapter}", *f"head={head}".split())
    model = build_classifier(cfg).train()
    frames = torch.randint(256, (2, 8, 3, 40, 40), dtype=torch.uint8)
    model(frames, torch.full((2,), 0.5)).square().sum().backward()
    assert [name for name, p in model.trainable().items() if p.grad is None] == []
    model.head.end_step(lambda own: own[None])
    randomise(model.head)  # a new query attends to all frames nearly alike
    scores = model.eval()(frames)
    assert scores.shape == (2, 12)
    assert (scores - model(frames.flip(1))).abs().max() > 1e-3
    assert model.learned().keys() == {*model.trainable(), *(f"head.standardise.{n}" for n in ("mean", "var", "steps"))}


def test_fewer_than_two_classes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"data.num_classes is 1, expected at least 2"):
        TokenHead(8, 1)
