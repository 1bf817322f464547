"""Clips, time and order."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch

from video_adapters.model.adapters.aim import Aim, AimBlock
from video_adapters.model.backbone import Backbone
from video_adapters.model.classifier import VideoClassifier
from video_adapters.model.encoders.pretrained import open_up
from video_adapters.model.execution import Memory
from video_adapters.model.heads.mean import MeanHead

from helpers.networks import BUILDS, DEPTH, clips, network, randomise, timm_swin
from helpers.rounding import BLOCK, assert_rounded, rounding

T = 4

NO_SITE = Aim(temporal=None, spatial=None, joint=None)
NO_TIME = Aim(temporal=None)


def build(method: Aim, name: str = "open_clip", num_frames: int = T) -> Backbone:
    backbone = Backbone(open_up(network(BUILDS[name])), method, num_frames).eval()
    randomise(backbone)
    return backbone


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16], ids=["bf16", "fp16"])
@pytest.mark.parametrize("name", ["timm", "open_clip", "timm Swin"])
@torch.no_grad()
def test_the_final_norm_answers_in_fp32_whatever_the_residual_stream_is(name: str, half: torch.dtype) -> None:
    """CLIP's is half under AMP: features of 20 would have steps of 0.125 in bf16."""
    backbone = build(NO_SITE, name)
    norm: Any = backbone.encoder.final_norm
    norm.bias.fill_(20)
    norm.weight.fill_(1e-3)
    with torch.autocast("cpu", half):
        features = backbone(clips())
    assert features.dtype == torch.float32
    # to the stream's rounding, of what the norm answers beside its bias
    assert (features - 20).abs().max() < 1e-3 * features.shape[-1] ** 0.5
    assert (features != 20).float().mean() > 0.9


@pytest.mark.parametrize("name", ["timm", "open_clip", "timm Swin"])
@pytest.mark.parametrize("method", [NO_SITE, NO_TIME], ids=["none", "spatial and joint"])
@torch.no_grad()
def test_without_a_temporal_step_order_cannot_be_told(method: Aim, name: str) -> None:
    model = VideoClassifier(build(method, name), MeanHead(build(method, name).width, 5)).eval()
    assert model.backbone.temporal_embedding is None
    assert_rounded(model(clips().flip(1)), model(clips()), DEPTH * BLOCK)


@pytest.mark.parametrize("name", ["timm", "open_clip", "timm Swin"])
@pytest.mark.parametrize("by", ["temporal_embedding", "time_bias"])
@torch.no_grad()
def test_with_one_it_can(by: str, name: str) -> None:
    how = {"temporal_embedding": by == "temporal_embedding", "time_bias": by == "time_bias"}
    backbone = build(Aim(temporal="last_half", temporal_in="last_half", **how), name)
    assert (backbone.temporal_embedding is not None) == how["temporal_embedding"]
    for block in backbone.blocks[DEPTH // 2 :]:
        if isinstance(block, AimBlock) and block.time_bias is not None:
            block.time_bias.table.copy_(torch.linspace(-4, 4, 2 * T - 1)[:, None])
    assert (backbone.features(clips().flip(1)).mean(1) - backbone.features(clips()).mean(1)).abs().max() > 0.005


@pytest.mark.parametrize("name", ["timm", "open_clip", "timm Swin"])
@torch.no_grad()
def test_attention_over_time_alone_does_not_see_order(name: str) -> None:
    features = build(Aim(temporal="all", temporal_embedding=False), name).features
    assert_rounded(features(clips().flip(1)).mean(1), features(clips()).mean(1), DEPTH * BLOCK)


@torch.no_grad()
def test_clips_of_a_batch_do_not_mix() -> None:
    features = build(Aim(temporal_in="all")).features
    assert_rounded(features(clips(3))[1:2], features(clips(3)[1:2]), DEPTH * BLOCK)


@pytest.mark.parametrize("name", ["timm", "open_clip"])
@pytest.mark.parametrize("first", range(DEPTH))
@torch.no_grad()
def test_the_temporal_embedding_enters_before_the_first_temporal_block(name: str, first: int) -> None:
    backbone = build(Aim(temporal=list(range(first, DEPTH))), name)
    seen = []
    for block in backbone.blocks:
        block.register_forward_pre_hook(lambda module, args: seen.append(args[0].unflatten(0, (-1, T))))
    backbone.features(clips())
    embedding = backbone.temporal_embedding
    assert embedding is not None
    backbone.temporal_embedding = None
    backbone.time_from = None
    backbone.features(clips())
    marked, plain = seen[:DEPTH], seen[DEPTH:]
    assert all(torch.equal(a, b) for a, b in zip(marked[:first], plain[:first], strict=True))
    if first == 0:  # before the norm ahead of the blocks, as published
        x = backbone.encoder.embed(backbone.normalise(clips()).flatten(0, 1)).unflatten(0, (-1, T))
        expected = backbone.encoder.pre_norm((x + embedding[:, :, None]).flatten(0, 1)).unflatten(0, (-1, T))
    else:
        expected = plain[first] + embedding[:, :, None]  # every token of a frame the same, CLS too
    torch.testing.assert_close(marked[first], expected)


def test_it_starts_at_zero_and_trains() -> None:
    embedding = Backbone(open_up(network(BUILDS["timm"])), Aim(temporal="last_half"), T).temporal_embedding
    assert embedding is not None
    assert embedding.shape == (1, T, 32)
    assert embedding.requires_grad
    assert not embedding.any()


def test_one_frame_is_a_clip_too() -> None:
    assert build(Aim(), num_frames=1).features(clips(num_frames=1)).shape == (2, 1, 64)


def test_another_number_of_frames_is_refused_with_both_numbers() -> None:
    with pytest.raises(ValueError, match=r"clips have 6 frames, but the model was built for 4 \(data.num_frames\)"):
        build(Aim()).features(clips(num_frames=6))


def test_another_size_is_refused_with_both_sizes() -> None:
    with pytest.raises(ValueError, match="frames are 16x32 pixels, but the encoder takes 32x32"):
        build(Aim()).features(clips()[..., :16, :])


@pytest.mark.parametrize("name", BUILDS)
def test_what_nothing_reads_can_be_left_out_of_the_last_block(name: str) -> None:
    method, memory = Aim(temporal_in="all", drop_path=0.0), Memory(skip_dead_work=False)
    whole = Backbone(open_up(network(BUILDS[name])), method, T, memory=memory).double()
    randomise(whole)
    lean = deepcopy(whole)
    lean.blocks[-1].execution = replace(lean.blocks[-1].execution, skip_dead_work=True)
    results = []
    for backbone in (whole.train(), lean.train()):
        features = backbone.features(clips())
        features.square().mean().backward()
        results.append([features, *(p.grad for p in backbone.parameters() if p.requires_grad)])
    for one, other in zip(*results, strict=True):
        scale = max(1, one.abs().max().item())  # some gradients, as that of keys' biases, are rounding altogether
        torch.testing.assert_close(one, other, atol=rounding(2 * BLOCK, scale, one.dtype), rtol=0)
    tokens = lean.tokens(clips())
    assert tokens[0].numel() == (tokens.shape[-1] if lean.encoder.pooled else whole.tokens(clips())[0].numel())


def test_it_is_left_out_wherever_the_class_token_alone_is_read() -> None:
    def kept(name: str) -> list[int | None]:
        return [block.execution.keep for block in Backbone(open_up(network(BUILDS[name])), Aim(), T).blocks]

    assert kept("timm like DINOv2") == kept("timm DINOv3") == kept("open_clip") == [None, None, 1]
    for name in ("timm mean pooling", "open_clip SigLIP", "open_clip mean, then norm", "timm Swin"):
        assert kept(name) == [None] * 3


@pytest.mark.parametrize("shape", [(4, 3, 32, 32), (2, 4, 1, 32, 32)])
def test_what_is_no_batch_of_clips_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"clips are .*, expected \(clips, frames, 3, height, width\)"):
        build(Aim()).features(torch.zeros(shape))


def test_impossible_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match=r"data.num_frames is 0 and data.tubelet 1: expected at least 1"):
        Backbone(open_up(network(BUILDS["timm"])), Aim(), 0)
    with pytest.raises(ValueError, match=r"data.num_frames is 7 and data.tubelet 2: .* whole tubelets"):
        Backbone(open_up(network(BUILDS["timm"])), Aim(), 7, tubelet=2)
    with pytest.raises(ValueError, match=r"memory.checkpoint_blocks is 4, but the encoder has 3 blocks"):
        Backbone(open_up(network(BUILDS["timm"])), Aim(), T, memory=Memory(checkpoint_blocks=4))


def test_the_head_is_mean_dropout_linear() -> None:
    head = MeanHead(512, 100, dropout=0.5)
    features = torch.randn(2, T, 512)
    expected = features.mean(1) @ head.linear.weight.T
    torch.testing.assert_close(head.eval()(features), expected)
    assert head.linear.weight.std().item() == pytest.approx(0.01, rel=0.05)  # 51200 draws: the error of std is 0.3 %
    torch.manual_seed(0)
    assert not torch.allclose(head.train()(features), expected, atol=1e-3)


def test_an_impossible_head_is_refused() -> None:
    with pytest.raises(ValueError, match=r"head.dropout is 1"):
        MeanHead(8, 5, dropout=1)
    with pytest.raises(ValueError, match=r"data.num_classes is 1, expected at least 2"):
        MeanHead(8, 1)


@pytest.mark.parametrize("name", BUILDS)
@torch.no_grad()
def test_a_still_clip_in_tubelets_gives_the_features_of_the_image_encoder(name: str) -> None:
    published = network(BUILDS[name]).double().eval()
    backbone = Backbone(open_up(deepcopy(published)), Aim(temporal_in="all"), 4, tubelet=2).double().eval()
    still = clips(num_frames=1)
    features = backbone.features(still.expand(-1, 4, -1, -1, -1))
    expected = published(backbone.normalise(still)[:, 0])
    assert features.shape == (2, 2, expected.shape[-1])
    assert_rounded(features, expected[:, None].expand_as(features), DEPTH * BLOCK)


@torch.no_grad()
def test_a_tubelet_is_a_convolution_over_time() -> None:
    """Against torch's own 3D convolution, with other weights for each frame."""
    backbone = Backbone(open_up(network(BUILDS["timm Swin"])), Aim(), 4, tubelet=2)
    convolution = backbone.encoder.patches
    randomise(convolution)
    seen: list[torch.Tensor] = []
    convolution.register_forward_hook(lambda module, args, output: seen.append(output))
    backbone.features(clips())
    frames = backbone.normalise(clips()).transpose(1, 2)  # (B, 3, frames, H, W)
    weight = convolution.weight.unflatten(1, (2, 3)).transpose(1, 2)  # (D, 3, 2, patch, patch)
    expected = torch.nn.functional.conv3d(frames, weight, convolution.bias, stride=(2, 4, 4))
    assert_rounded(seen[0].unflatten(0, (2, 2)).transpose(1, 2), expected, weight[0].numel() ** 0.5)


def test_weights_for_tubelets_are_taken_as_they_are_and_no_others() -> None:
    build_of_it = timm_swin(in_chans=6)
    net = network(build_of_it)
    weight = net.patch_embed.proj.weight.clone()
    assert torch.equal(Backbone(open_up(net), Aim(), 4, tubelet=2).encoder.patches.weight, weight)
    with pytest.raises(ValueError, match=r"weights take tubelets of 2 frames, but data.tubelet is 4"):
        Backbone(open_up(network(build_of_it)), Aim(), 4, tubelet=4)
