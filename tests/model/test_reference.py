"""Features and gradients of the official AIM release (reference/README.md), through the importer."""

from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from video_adapters.model.backbone import Backbone
from video_adapters.official.names import entries
from video_adapters.official.split_checkpoint import split_checkpoint

from helpers.official import State, imported, rebuilt, reference
from helpers.rounding import BLOCK, assert_rounded

HEADS = {"vit_clip_nt2": 4, "vit_imagenet_nt1": 4, "swin_adapter_rel": None}  # a Swin's stand in its tables


class Case(NamedTuple):
    """One of the release's models after its import, and the numbers of the release."""

    backbone: Backbone
    numbers: State  # gradients under our names of the weights
    tunable: set[str]  # by our names
    biases: set[str]  # over time, which the release leaves frozen at random


@pytest.fixture(scope="module", params=HEADS)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder: Path = tmp_path_factory.mktemp("reference")
    weights, numbers, about = reference(request.param)
    heads = HEADS[request.param]
    feature = torch.zeros(12, numbers["features"].shape[1])
    imported(folder, {**weights, "cls_head.fc_cls.weight": feature, "cls_head.fc_cls.bias": feature[:, 0]}, heads=heads)
    sizes = split_checkpoint(weights, heads).sizes
    ours = {e.name: e.trained.removeprefix("backbone.") for e in entries(sizes) if e.trained}
    numbers = {f"gp/{ours[k[3:]]}" if k.startswith("gp/") else k: v for k, v in numbers.items() if k[:2] != "g/"}
    biases = {mine for name, mine in ours.items() if "temporal_position_bias" in name}
    return Case(rebuilt(folder / "aim.ckpt").backbone, numbers, {ours[name] for name in about["tunable"]}, biases)


def official_features(case: Case) -> Tensor:
    """(B, D, T, H, W) as the release's backbone returns them: of ViTs the class token, of Swins every token."""
    clips = case.numbers["input"].transpose(1, 2).to(case.backbone.mean.dtype)
    if case.backbone.encoder.pooled:
        return case.backbone.features(clips).transpose(1, 2)[..., None, None]
    tokens = case.backbone.encoder.final_norm(case.backbone.tokens(clips))
    return tokens.unflatten(0, (clips.shape[0], -1)).permute(0, 4, 1, 2, 3)


def test_features_are_those_of_the_official_release(case: Case) -> None:
    assert_rounded(official_features(case), case.numbers["features"], len(case.backbone.blocks) * BLOCK)
    exact = case._replace(backbone=deepcopy(case.backbone).double())
    assert_rounded(official_features(exact).float(), case.numbers["features64"], 1)  # the file keeps them in float32


def test_gradients_are_those_of_the_official_release(case: Case) -> None:
    case.backbone.zero_grad()
    (official_features(case) * case.numbers["probe"]).sum().backward()
    for name, parameter in case.backbone.named_parameters():
        if parameter.requires_grad and name not in case.biases:
            expected = case.numbers[f"gp/{name}"]
            assert parameter.grad is not None
            assert_rounded(parameter.grad, expected, 2 * len(case.backbone.blocks) * BLOCK)


def test_what_trains_is_what_the_official_release_trains_and_the_bias_over_time(case: Case) -> None:
    trained = {name for name, p in case.backbone.named_parameters() if p.requires_grad}
    assert trained - case.biases == case.tunable == {name[3:] for name in case.numbers if name.startswith("gp/")}
    assert case.biases <= trained
