"""Stored tokens of every block go with the very pixels that they were computed from."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from video_adapters.data.dataset import Sample, collate
from video_adapters.data.sampler import Key
from video_adapters.features.clips_with_tokens import ClipsWithTokens, TrainClipsWithTokens
from video_adapters.model.build import build_classifier
from video_adapters.model.classifier import mean_probabilities

from helpers.feature_parts import Parts

FEW = ("data.max_videos=3", "adapter=side4video_shapes")


def given(parts: Parts, use: str = "val") -> "Dataset[Sample]":
    store = parts.open(use, layers=range(1, 5), tokens="leaving")
    store.compute()
    assert store.extraction is not None
    shape = (store.extraction.clips.num_views, 8, 3, 40, 40)
    if use == "train":
        data = parts.data
        return TrainClipsWithTokens(store, data.videos(use), shape, data.train_transform, data.seed)
    return ClipsWithTokens(store, parts.data.videos(use), shape)


@torch.no_grad()
def leaving(parts: Parts, sample: Sample) -> Tensor:
    """Of the sample's pixels: (V, L, T, N, D)."""
    return torch.stack([x.unflatten(0, (-1, 8)) for _, x in parts.backbone.leaving(sample.clip, range(1, 5))], 1)


def assert_halves(ours: Tensor, expected: Tensor) -> None:
    """To fp16's rounding of a channel's deviation from its mean over the clip, whatever its mean."""
    largest = (expected - expected.mean((2, 3), keepdim=True)).abs().amax((2, 3), keepdim=True)
    assert ((ours - expected).abs() <= largest / 1024 + 1e-5).all()


@pytest.mark.slow
def test_fixed_views_come_with_their_tokens(made: Callable[..., Parts]) -> None:
    parts = made(*FEW, "data.val_views.crops=3")
    clips = given(parts)
    for video in range(3):
        sample = clips[Key(video, 0, 1.0)]
        assert torch.equal(sample.clip, parts.data.test_clips("val")[Key(video, 0, 1.0)].clip)
        assert sample.tokens is not None
        assert_halves(sample.tokens, leaving(parts, sample))


def test_every_random_draw_comes_with_its_own(made: Callable[..., Parts]) -> None:
    parts = made(*FEW, "features.views=2", "data.train_transform.area=[0.3,1.0]")
    clips, plain = given(parts, "train"), parts.data.train_clips()
    seen = []
    for video in range(3):
        for epoch in range(3):
            sample = clips[Key(video, epoch, 1.0)]
            assert torch.equal(sample.clip, plain[Key(video, epoch % 2, 1.0)].clip)
            assert sample.label == plain[Key(video, epoch % 2, 1.0)].label
            assert sample.tokens is not None
            assert_halves(sample.tokens, leaving(parts, sample))
            seen.append(sample.clip)
    assert not torch.equal(seen[0], seen[1])


@torch.no_grad()
def test_a_side_network_says_of_stored_tokens_what_it_says_of_the_encoders(made: Callable[..., Parts]) -> None:
    parts = made(*FEW)
    classifier = build_classifier(parts.cfg).eval()
    clips = given(parts._replace(backbone=classifier.backbone))
    batch = collate([clips[Key(video, 0, 1.0)] for video in range(3)])
    assert batch.tokens is not None
    expected = classifier(batch.clips[:, 0])
    ours = classifier(batch.clips[:, 0], tokens=batch.tokens[:, 0])
    torch.testing.assert_close(ours, expected, rtol=0, atol=2e-3)
    assert not torch.equal(ours, expected)  # it has read them
    scores = mean_probabilities(classifier, batch.clips, 2, batch.tokens)
    torch.testing.assert_close(scores, ours.softmax(-1), rtol=0, atol=1e-5)


def test_what_cannot_be_read_is_blank(made: Callable[..., Parts], monkeypatch: pytest.MonkeyPatch) -> None:
    clips = given(made(*FEW))
    assert isinstance(clips, ClipsWithTokens)
    monkeypatch.setattr(clips, "present", clips.present & False)
    sample = clips[Key(0, 0, 1.0)]
    assert not sample.readable
    assert sample.clip.shape == (1, 8, 3, 40, 40)
    assert not sample.clip.any()
