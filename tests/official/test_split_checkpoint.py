"""What is read off an official checkpoint, and that nothing in one is lost or guessed at in silence."""

from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch

from video_adapters.official.sizes import CLIP, SWIN, VIT
from video_adapters.official.split_checkpoint import as_images, split_checkpoint

from helpers.official import BUFFERS, State, swin, vit_clip, vit_imagenet, whole
from helpers.rounding import rounding

VARIANTS: dict[str, Callable[[], State]] = {
    "clip, one temporal adapter": lambda: vit_clip(adapters=1),
    "clip, two temporal adapters": lambda: vit_clip(adapters=2, depth=2, frames=8),
    "clip without head": lambda: vit_clip(classes=None),
    "imagenet, one temporal adapter": lambda: vit_imagenet(adapters=1),
    "imagenet, two temporal adapters": lambda: vit_imagenet(adapters=2, classes=174),
    "swin": swin,
    "swin, absolute": lambda: swin(absolute=True, times=4),
    "swin, tubelets of three frames": lambda: swin(tubelet=3),
    "swin, trained tubelets": lambda: swin(same=False),
    "swin without head": lambda: swin(classes=None),
}


# what it is


@pytest.mark.parametrize("adapters", [1, 2])
@pytest.mark.parametrize(("state", "family"), [(vit_clip, CLIP), (vit_imagenet, VIT)])
def test_a_vit_tells_its_sizes_and_its_temporal_adapters(state: Any, family: Any, adapters: int) -> None:
    sizes = split_checkpoint(state(adapters=adapters, classes=7, frames=6, depth=2)).sizes
    assert sizes.family is family
    assert (sizes.width, sizes.depths, sizes.num_heads, sizes.patch, sizes.image_size) == (64, (2,), (1,), 16, 32)
    assert (sizes.num_frames, sizes.tubelet, sizes.num_classes, sizes.mlp_ratio) == (6, 1, 7, 4.0)
    assert (sizes.ratio, sizes.usual_scale) == (0.25, [0.5, 1.0][adapters - 1])
    assert (sizes.temporal_embedding, sizes.time_bias) == (True, False)
    everywhere = (0, 1)
    temporal_in = everywhere if adapters == 2 else ()
    assert sizes.sites == dict(temporal=everywhere, temporal_in=temporal_in, spatial=everywhere, joint=everywhere)


def test_a_swin_keeps_its_scale_with_two_temporal_adapters_too() -> None:
    state = swin()
    state |= {name.replace("T_Adapter", "T_Adapter_in"): value for name, value in state.items() if "T_Adapter" in name}
    sizes = split_checkpoint(state).sizes
    assert (sizes.sites["temporal_in"], sizes.usual_scale) == ((0, 2), 0.5)


@pytest.mark.parametrize("absolute", [False, True])
def test_a_swin_tells_its_sizes_and_its_setting(absolute: bool) -> None:
    sizes = split_checkpoint(swin(absolute=absolute, times=3)).sizes
    assert sizes.family is SWIN
    assert (sizes.width, sizes.depths, sizes.num_heads, sizes.patch, sizes.window) == (16, (2, 2), (2, 4), 4, 4)
    assert (sizes.num_frames, sizes.num_times, sizes.tubelet, sizes.num_classes) == (6, 3, 2, 12)
    assert (sizes.image_size, sizes.image_size_told, sizes.usual_scale) == (32, True, 0.5)
    assert (sizes.temporal_embedding, sizes.time_bias) == (absolute, True)
    assert sizes.sites == dict(temporal=(0, 2), temporal_in=(), spatial=(0, 1, 2, 3), joint=(0, 1, 2, 3))


def test_a_swin_without_masks_has_the_usual_image_size_or_the_one_said() -> None:
    state = {name: value for name, value in swin().items() if not name.endswith(BUFFERS)}
    assert (split_checkpoint(state).sizes.image_size, split_checkpoint(state).sizes.image_size_told) == (224, False)
    assert split_checkpoint(state, image_size=32).sizes.image_size == 32
    with pytest.raises(ValueError, match=r"16 pixels leave 2x2 tokens .* windows are 4x4: say --image-size N"):
        split_checkpoint(state, image_size=16)


def test_heads_that_no_tensor_tells_can_be_said() -> None:
    assert split_checkpoint(vit_clip(), num_heads=4).sizes.num_heads == (4,)


def test_blocks_with_adapters_may_be_any() -> None:
    state = {name: v for name, v in vit_clip().items() if not ("resblocks.1.T_Adapter" in name or "2.S_Ad" in name)}
    sites = split_checkpoint(state).sizes.sites
    assert sites == dict(temporal=(0, 2), temporal_in=(0, 2), spatial=(0, 1), joint=(0, 1, 2))


@pytest.mark.parametrize("units", [1, 24, 27, 54, 97])
def test_a_ratio_gives_exactly_the_bottleneck(units: int) -> None:
    """Of a width of 98, where int(98 * (27 / 98)) is 26."""
    state = vit_clip(width=98, depth=1)
    shapes = {"1.weight": (units, 98), "1.bias": (units,), "2.weight": (98, units), "2.bias": (98,)}
    for name in [name for name in state if "Adapter" in name]:
        state[name] = torch.zeros(shapes[name.split("D_fc")[1]])
    assert int(98 * split_checkpoint(state, num_heads=2).sizes.ratio) == units


# whose values go where


@pytest.mark.parametrize("wrap", ["bare", "state_dict", "model", "module", "backbone"])
def test_wrappings_and_prefixes_do_not_matter(wrap: str) -> None:
    state = vit_clip()
    wrapped = {
        "bare": state,
        "state_dict": {"meta": {"epoch": 30}, "state_dict": whole(state), "optimizer": {"state": {}}},
        "model": {"model": whole(state)},
        "module": {"state_dict": {f"module.{name}": value for name, value in whole(state).items()}},
        "backbone": whole(state),
    }[wrap]
    plain, found = split_checkpoint(state), split_checkpoint(wrapped)
    assert found.sizes == plain.sizes
    assert all(torch.equal(found.trained[name], value) for name, value in plain.trained.items())
    assert all(torch.equal(found.frozen[name], value) for name, value in plain.frozen.items())


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_value_arrives_once(variant: str) -> None:
    """Searched for by value, so that no table of names is trusted."""
    state = VARIANTS[variant]()
    found = split_checkpoint(state)
    values = {name: value for name, value in state.items() if not name.endswith(BUFFERS)}
    arrived = [*found.trained.values(), *(v for name, v in found.frozen.items() if name not in found.shared)]
    assert len(arrived) == len(values)
    for name, value in values.items():
        if value.dim() != 5:
            same = [v for v in arrived if v.shape == value.shape and torch.equal(v, value)]
            assert len(same) == 1, name
    assert found.buffers == len(state) - len(values)


@pytest.mark.parametrize(("state", "norm"), [(vit_clip(), "ln_post"), (vit_imagenet(), "norm")])
def test_a_final_norm_that_trained_completes_the_encoder_too(state: State, norm: str) -> None:
    found = split_checkpoint(state)
    assert found.shared == {f"{norm}.weight", f"{norm}.bias"}
    assert torch.equal(found.frozen[f"{norm}.bias"], state["ln_post.bias"])
    assert torch.equal(found.trained[f"backbone.encoder.net.{norm}.bias"], state["ln_post.bias"])


def test_a_swin_is_whole_by_the_names_of_timm() -> None:
    sizes = dict(img_size=32, patch_size=4, window_size=4, embed_dim=16, depths=(2, 2), num_heads=(2, 4), num_classes=0)
    net = timm.create_model("swin_tiny_patch4_window7_224", **sizes)
    found = split_checkpoint(swin())
    net.load_state_dict(found.frozen)
    assert not found.shared
    assert torch.equal(net.layers[1].downsample.reduction.weight, swin()["layers.0.downsample.reduction.weight"])


@pytest.mark.parametrize("tubelet", [1, 2, 3, 4, 7])
def test_patches_alike_over_a_tubelet_become_those_of_an_image(tubelet: int) -> None:
    image = torch.randn(8, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    inflated = (image / tubelet)[:, :, None].repeat(1, 1, tubelet, 1, 1)
    found = as_images(inflated)
    assert found.shape == image.shape
    torch.testing.assert_close(found, image, atol=0, rtol=rounding(1 + tubelet))  # a quotient, a sum
    assert torch.equal(found / tubelet, image / tubelet)


def test_patches_that_differ_over_a_tubelet_become_channels_in_the_order_of_frames() -> None:
    patches = torch.arange(2.0 * 3 * 2).view(1, 3, 2, 1, 2)  # (D, colour, frame, 1, 2)
    found = as_images(patches)
    assert found.shape == (1, 6, 1, 2)
    for frame in range(2):
        for colour in range(3):
            assert torch.equal(found[0, 3 * frame + colour], patches[0, colour, frame])


# what does not fit


def changed(state: State, **changes: torch.Tensor | None) -> State:
    """Names with `__` for dots; None takes a tensor out."""
    new = state | {name.replace("__", "."): value for name, value in changes.items() if value is not None}
    return {name: value for name, value in new.items() if changes.get(name.replace(".", "__"), value) is not None}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (changed(vit_clip(), proj=torch.zeros(64, 16)), "these fit nothing: proj"),
        (changed(vit_clip(), ln_pre__bias=None), "it lacks ln_pre.bias"),
        (changed(vit_clip(), ln_post__weight=torch.zeros(3)), r"ln_post.weight is \(3,\), expected \(64,\)"),
        (
            changed(vit_imagenet(), blocks__1__norm1__bias=None, blocks__1__norm1__beta=torch.ones(1)),
            r"fit nothing: blocks.1.norm1.beta; it lacks blocks.1.norm1.bias",
        ),
        (changed(vit_imagenet(), temporal_embedding=None), "neither temporal_embedding nor .* number of frames"),
        (changed(vit_imagenet(), blocks__7__norm1__bias=torch.ones(64)), "it lacks blocks.3"),
        (changed(swin(), layers__0__blocks__1__attn_mask=torch.zeros(9, 4, 4)), r"attn_mask is \(9, 4, 4\), expected"),
        (changed(swin(), norm__bias=None), "it lacks norm.bias"),
        (changed(swin(), patch_embed__proj__weight=torch.zeros(16, 3, 4, 4)), "expected 5 dimensions"),
        (changed(vit_clip(), conv1__weight=None), "lacks conv1.weight, whose shape tells"),
        (changed(vit_clip(), positional_embedding=torch.zeros(7, 64)), "6 patches and a class token, expected a sq"),
        ({"fc.weight": torch.zeros(2, 2)}, "none of the official AIM release.*its names are fc.weight"),
        ({"state_dict": {"epoch": 3}}, "no tensors are: epoch"),
        ({}, "expected a state dict"),
        ([torch.zeros(1)], "holds a list, expected a state dict"),
        ({"a.bias": torch.zeros(1), "module.a.bias": torch.zeros(1)}, "two tensors .* have one name"),
    ],
)  # fmt: skip
def test_what_fits_nothing_is_listed(state: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split_checkpoint(state)


@pytest.mark.parametrize(
    ("state", "said", "message"),
    [
        (vit_clip(), {"num_heads": 5}, "--heads 5 .* width of 64 does not divide"),
        (swin(), {"num_heads": 8}, r"--heads 8 .* bias tables have \[2, 4\]"),
        (vit_clip(), {"image_size": 224}, "--image-size 224 .* built for 32 pixels"),
        (swin(), {"image_size": 224}, "--image-size 224 .* built for 32 pixels"),
    ],
)
def test_what_contradicts_the_tensors_is_refused(state: State, said: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split_checkpoint(state, **said)


def test_an_encoder_without_adapters_is_refused() -> None:
    with pytest.raises(ValueError, match="holds no adapter"):
        split_checkpoint({name: value for name, value in vit_clip().items() if "Adapter" not in name})


def test_adapters_of_several_ratios_are_refused() -> None:
    state = vit_clip()
    for leaf, shape in {"1.weight": (8, 64), "1.bias": (8,), "2.weight": (64, 8)}.items():
        state[f"transformer.resblocks.1.S_Adapter.D_fc{leaf}"] = torch.zeros(shape)
    with pytest.raises(ValueError, match="8 of 64, 16 of 64 units: no single ratio"):
        split_checkpoint(state)


def test_a_temporal_embedding_ahead_of_a_block_without_temporal_adapter_is_refused() -> None:
    state = {name: value for name, value in vit_clip().items() if "resblocks.0.T_Adapter" not in name}
    with pytest.raises(ValueError, match=r"temporal_embedding, but no temporal adapter .* in its first block"):
        split_checkpoint(state)
