"""Heads of one linear layer: the mean over frames, and the frames in their order."""

import pytest
import torch

from video_adapters.model.build import build_head
from video_adapters.model.heads.linear_head import LinearHead
from video_adapters.model.heads.linear_in_order import LinearInOrderHead
from video_adapters.model.heads.mean import MeanHead

from helpers.features import like_real_ones
from helpers.toy import composed


def test_scores_are_a_linear_function_of_the_mean_over_frames() -> None:
    head = MeanHead(5, 3).eval()
    features = torch.randn(2, 4, 5)
    expected = features.mean(1) @ head.linear.weight.T + head.linear.bias
    torch.testing.assert_close(head(features), expected)


@pytest.mark.parametrize(("dropout", "num_classes"), [(1.0, 3), (-0.1, 3), (0.5, 1)])
def test_impossible_settings_are_refused(dropout: float, num_classes: int) -> None:
    with pytest.raises(ValueError, match=r"head\.dropout|data\.num_classes"):
        MeanHead(5, num_classes, dropout=dropout)


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("head", [MeanHead(384, 3, standardise=True), LinearInOrderHead(384, 3, 2)], ids=type)
def test_scores_are_those_of_fp32_under_autocast(head: LinearHead, half: torch.dtype) -> None:
    features = like_real_ones(16).view(8, 2, -1)
    head.eval()
    with torch.autocast("cpu", half):
        scores = head(features)
    assert torch.equal(scores, head(features))


def test_scores_are_a_linear_function_of_the_frames_in_their_order() -> None:
    head = LinearInOrderHead(5, 3, num_times=4, standardise=False).eval()
    features = torch.randn(2, 4, 5)
    rows = head.linear.weight.view(3, 4, 5)
    torch.testing.assert_close(head(features), torch.einsum("btd,ctd->bc", features, rows) + head.linear.bias)
    assert not torch.allclose(head(features), head(features.flip(1)))


def test_every_frame_is_standardised_by_its_own_statistics() -> None:
    """In training each clip weighs its share; afterwards the training clips have mean 0 and spread 1 at every frame."""
    head = LinearInOrderHead(5, 3, num_times=4)
    features = like_real_ones(32, 5).view(8, 4, 5) + torch.arange(4.0)[:, None]
    head(features, torch.full((8,), 1 / 8))
    head.end_step(lambda own: own[None])
    assert head.standardise is not None
    seen = features.flatten(1)
    torch.testing.assert_close(head.standardise.mean, seen.mean(0))
    torch.testing.assert_close(head.standardise.var, seen.var(0, correction=0), rtol=0.01, atol=0)


@pytest.mark.parametrize("head", ["mean", "linear_in_order"])
def test_the_builder_gives_a_head_what_its_class_takes(head: str) -> None:
    cfg = composed(f"head={head}").head
    built = build_head(cfg, width=5, num_classes=3, num_times=4, something_else=None)
    assert built.linear.in_features == (20 if head == "linear_in_order" else 5)
