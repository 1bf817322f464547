"""What holds for every encoder family and every build of it."""

from copy import deepcopy
from functools import partial
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn

from video_adapters.model.adapters.adapter import TimeBias
from video_adapters.model.adapters.aim import Aim
from video_adapters.model.backbone import Backbone
from video_adapters.model.encoders.open_clip_vit import OpenClipVit
from video_adapters.model.encoders.pretrained import open_up
from video_adapters.model.encoders.timm_vit import TimmVitParts
from video_adapters.model.execution import Memory

from helpers.networks import BUILDS, DEPTH, clip_vit, clips, network, randomise, timm_vit, with_our_activation
from helpers.rounding import BLOCK, assert_rounded

T = 4

ALL_SITES = Aim(temporal_in="all", drop_path=0.0)


FAMILIES = ("timm", "timm DINOv3", "timm Swin", "open_clip")
FAMILIES_FIRST = [pytest.param(name, marks=[] if name in FAMILIES else pytest.mark.slow) for name in BUILDS]
"""By default one build of each family, where builds differ in nothing that is tested."""


@pytest.fixture(params=BUILDS)
def published(request: pytest.FixtureRequest) -> Any:
    return network(BUILDS[request.param])


def build(net: nn.Module, method: Aim = ALL_SITES, checkpoint_blocks: int = 0) -> Backbone:
    return Backbone(
        open_up(deepcopy(net)), method, T, memory=Memory(checkpoint_blocks=checkpoint_blocks, skip_dead_work=False)
    )


def frames(backbone: Backbone) -> Tensor:
    return backbone.normalise(clips(num_frames=T)).flatten(0, 1)


def over_time_by_hand(attention: Any, tube: Tensor, table: Tensor) -> Tensor:
    """One place through time, head by head and frame by frame: (T, D) -> (T, D)."""
    if isinstance(attention, nn.MultiheadAttention):
        q, k, v = (tube @ attention.in_proj_weight.T + attention.in_proj_bias).chunk(3, dim=-1)
    else:
        q, k, v = attention.qkv(tube).chunk(3, dim=-1)
    size = tube.shape[-1] // attention.num_heads
    heads = []
    for head in range(attention.num_heads):
        part = slice(head * size, (head + 1) * size)
        rows = []
        for i in range(T):
            scores = torch.stack([q[i, part] @ k[j, part] / size**0.5 + table[i - j + T - 1, head] for j in range(T)])
            rows.append(scores.softmax(0) @ v[:, part])
        heads.append(torch.stack(rows))
    joined = torch.cat(heads, -1)
    return attention.out_proj(joined) if isinstance(attention, nn.MultiheadAttention) else attention.proj(joined)


@pytest.mark.parametrize("name", ["timm", "open_clip", "timm Swin"])
@torch.no_grad()
def test_attention_over_time_has_the_bias_of_frame_distance_and_no_other(name: str) -> None:
    parts = open_up(network(BUILDS[name])).blocks[0].double()
    bias = TimeBias(parts.num_heads, T).double()
    randomise(bias, scale=1.0)
    x = torch.randn(2, T, 5, parts.width).double()  # of two clips, five places

    def by_hand(table: Tensor) -> Tensor:
        tubes = x.transpose(1, 2).flatten(0, 1)
        answers = [over_time_by_hand(parts.block.attn, tube, table) for tube in tubes]
        return torch.stack(answers).unflatten(0, (2, 5)).transpose(1, 2)

    expected, without = by_hand(bias.table), by_hand(torch.zeros_like(bias.table))
    frames = x.flatten(0, 1)
    assert_rounded(parts.attend_time(frames, T, bias()).project(), expected.flatten(0, 1), BLOCK)
    assert_rounded(parts.attend_time(frames, T).project(), without.flatten(0, 1), BLOCK)
    assert (expected - without).abs().max() > 0.001


@torch.no_grad()
def test_the_tokens_ahead_of_the_patches_enter_alike_whatever_the_frame_shows(published: nn.Module) -> None:
    backbone = build(published).eval()
    tokens = backbone.encoder.embed(frames(backbone)).flatten(1, -2)
    same = (tokens == tokens[:1]).all(-1).all(0)
    assert same.tolist() == [i < backbone.encoder.prefix for i in range(tokens.shape[1])]


def test_the_final_norm_stays_frozen_where_the_method_says_so(published: nn.Module) -> None:
    norm = build(published, Aim(final_norm=False)).encoder.final_norm
    assert not any(p.requires_grad for p in norm.parameters())


def test_untrained_adapters_change_nothing(published: nn.Module) -> None:
    backbone = build(published).eval()
    with torch.no_grad():
        ours, theirs = backbone.features(clips()).flatten(0, 1), with_our_activation(published).eval()(frames(backbone))
    assert torch.equal(ours, theirs)
    assert ours.std() > 0.01


def test_untrained_adapters_change_nothing_in_training(published: nn.Module) -> None:
    backbone = build(published).train()
    theirs = with_our_activation(published).train()(frames(backbone))
    assert torch.equal(backbone.features(clips()).flatten(0, 1), theirs)


def test_untrained_adapters_change_nothing_in_mixed_precision(published: nn.Module) -> None:
    backbone = build(published).train()
    exact = published.train()(frames(backbone))
    with torch.autocast("cpu", torch.bfloat16):
        ours, theirs = backbone.features(clips()).flatten(0, 1), published.train()(frames(backbone))
    if isinstance(backbone.encoder, OpenClipVit):  # torch's attention rounds in other places: neither is nearer
        assert (ours - exact).abs().max() < 2 * (theirs - exact).abs().max()
    elif ours.dtype != theirs.dtype:  # our final norm answers in float32; theirs is rounded, and so is the mean over it
        assert_rounded(ours, theirs.float(), 2, torch.bfloat16)
    else:
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_our_activation_and_layout_change_the_published_features_by_rounding_only(
    published: nn.Module, dtype: torch.dtype
) -> None:
    torch.backends.mha.set_fastpath_enabled(True)
    backbone = build(published).to(dtype).eval()
    with torch.no_grad():
        ours = backbone.features(clips()).flatten(0, 1)
        theirs = published.to(dtype).eval()(frames(backbone))
    assert_rounded(ours, theirs, DEPTH * BLOCK)


def test_what_was_added_and_the_final_norm_train_and_all_of_it_gets_a_gradient(published: nn.Module) -> None:
    before = {name for name, _ in build(published, Aim(temporal=None, spatial=None, joint=None)).named_parameters()}
    backbone = build(published).train()
    randomise(backbone)
    backbone.features(clips()).square().sum().backward()
    names = dict(backbone.named_parameters())
    norm = {id(p) for p in backbone.encoder.final_norm.parameters()}
    trained = {name for name, p in names.items() if p.requires_grad}
    assert trained == (names.keys() - before) | {name for name, p in names.items() if id(p) in norm}
    sites = ("temporal", "temporal_in", "spatial", "joint")
    ends = ("down.weight", "down.bias", "up.weight", "up.bias")
    added = {f"blocks.{i}.{site}.{end}" for i in range(DEPTH) for site in sites for end in ends}
    assert names.keys() - before == added | {"temporal_embedding"}
    assert {name for name, p in names.items() if p.grad is not None and p.grad.any()} == trained


def test_nothing_is_kept_for_backward_below_the_first_adapted_block(published: nn.Module) -> None:
    backbone = build(published, Aim(temporal=[2], spatial=[2], joint=[2])).train()
    inputs: list[Tensor] = []
    for block in backbone.blocks:
        block.register_forward_pre_hook(lambda module, args: inputs.append(args[0]))
    kept: list[Tensor] = []
    backbone.blocks[1].register_forward_hook(lambda module, args, output: kept.append(output))

    def pack(saved: Tensor) -> Tensor:
        assert len(inputs) == DEPTH, "an activation was saved before the last block began"
        return saved

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved):
        backbone.features(clips())
    assert [x.requires_grad for x in inputs] == [False, False, True]  # the temporal embedding enters before the third
    assert kept[0].grad_fn is None


@pytest.mark.parametrize("name", FAMILIES_FIRST)
def test_recomputing_blocks_changes_neither_features_nor_gradients(name: str) -> None:
    published = network(BUILDS[name])
    method = Aim(temporal_in="all", drop_path=0.5)  # the same draws must come back in the recomputation
    results: list[list[Any]] = []
    for checkpoint_blocks in (0, 2, DEPTH):
        torch.manual_seed(5)
        backbone = build(published, method, checkpoint_blocks).train()
        randomise(backbone)
        with torch.autocast("cpu", torch.bfloat16):
            features = backbone.features(clips(8))
        features.float().square().sum().backward()
        results.append([features, *(p.grad for p in backbone.parameters() if p.requires_grad)])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("name", FAMILIES_FIRST)
def test_uint8_and_normalised_clips_give_the_same(name: str) -> None:
    published = network(BUILDS[name])
    backbone = build(published).eval()
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (backbone.encoder.mean, backbone.encoder.std))
    normalised = (clips().float() / 255 - mean) / std
    assert torch.equal(backbone.features(clips()), backbone.features(normalised))


@pytest.mark.parametrize("name", FAMILIES_FIRST)
def test_copies_and_pickles_are_whole(name: str, tmp_path: Any) -> None:
    published = network(BUILDS[name])
    backbone = build(published).eval()
    randomise(backbone)
    features = backbone.features(clips())
    torch.save(backbone, tmp_path / "backbone.pt")
    for twin in (deepcopy(backbone), torch.load(tmp_path / "backbone.pt", weights_only=False)):
        assert torch.equal(twin.features(clips()), features)
        twin.load_state_dict({name: torch.zeros_like(value) for name, value in twin.state_dict().items()})
        assert not twin.features(clips()).any()
    assert torch.equal(backbone.features(clips()), features)


@pytest.mark.parametrize("name", FAMILIES_FIRST)
def test_it_is_built_on_the_meta_device_too(name: str) -> None:
    published = network(BUILDS[name])
    backbone = build(published)
    with torch.device("meta"):
        shadow = build(deepcopy(published).to("meta"))
    assert shadow.features(clips().to("meta")).shape == backbone.features(clips()).shape
    assert all(value.is_meta for value in shadow.state_dict().values())


@pytest.mark.parametrize(
    ("model_name", "name"), [("timm", "encoder.net.norm.weight"), ("open_clip", "encoder.net.ln_post.weight")]
)
def test_checkpoints_name_what_trains_as_documented(model_name: str, name: str) -> None:
    backbone = build(network(BUILDS[model_name]), Aim(spatial=[1], temporal=[0], joint=None))
    trained = {name for name, p in backbone.named_parameters() if p.requires_grad}
    assert {name, "temporal_embedding", "blocks.0.temporal.down.weight", "blocks.1.spatial.up.bias"} <= trained


def test_mean_and_std_are_those_of_the_weights() -> None:
    assert open_up(network(timm_vit())).mean == (0.5, 0.5, 0.5)  # AugReg's, the default tag of this model
    assert open_up(network(timm_vit(pretrained_cfg_overlay={"mean": (0.1, 0.2, 0.3)}))).mean == (0.1, 0.2, 0.3)
    assert open_up(network(clip_vit())).std == (0.26862954, 0.26130258, 0.27577711)  # CLIP's


def test_a_timm_tower_inside_open_clip_takes_the_statistics_of_open_clip() -> None:
    model: Any = nn.Module()
    model.visual = nn.Module()
    model.visual.trunk, model.visual.head = network(timm_vit()), nn.Sequential()
    model.visual.preprocess_cfg = {"mean": (0.4, 0.4, 0.4), "std": (0.3, 0.3, 0.3)}
    encoder = open_up(model)
    assert (encoder.mean, encoder.std) == ((0.4, 0.4, 0.4), (0.3, 0.3, 0.3))


class OtherBlock(timm.models.vision_transformer.Block):
    """Another forward pass may hide in a subclass."""


def test_another_class_of_block_is_refused() -> None:
    with pytest.raises(ValueError, match=r"block is a .*OtherBlock, but TimmVitParts knows .*Block only"):
        open_up(network(timm_vit(block_fn=OtherBlock)))
    with pytest.raises(ValueError, match="CustomResidualAttentionBlock, but OpenClipVitParts knows"):
        open_up(network(clip_vit(qk_norm=True)))
    with pytest.raises(ValueError, match="TimmVitParts knows"):
        TimmVitParts(nn.Linear(2, 2))


def test_another_class_of_network_is_refused_with_those_known() -> None:
    with pytest.raises(ValueError, match=r"a torch.nn.modules.linear.Linear; supported are: timm.*, open_clip"):
        open_up(nn.Linear(2, 2))


@pytest.mark.parametrize(
    ("build_of_it", "message"),
    [
        (timm_vit(num_classes=5), "without its classifier"),
        (timm_vit(global_pool="prr"), "with pooling by a query"),
        (partial(timm.create_model, "vit_base_mci_224", depth=1, num_classes=0), "with one convolution for its"),
        (timm_vit(global_pool=""), "with pooling"),
        (timm_vit(patch_drop_rate=0.5), "without patch dropout"),
        (clip_vit(attentional_pool=True), "with class-token or mean pooling"),
        (clip_vit(pool_type="none"), "with class-token or mean pooling"),
        (clip_vit(patch_dropout=0.5), "without patch dropout"),
    ],
)
def test_a_build_that_would_run_otherwise_is_refused(build_of_it: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"VisionTransformer is supported only {message}"):
        open_up(network(build_of_it))
