"""Loading weights for real, from files written here, and failing clearly where there are none."""

import gc
import logging
import warnings
import weakref
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import open_clip
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from video_adapters.model.encoders import pretrained, published, weights
from video_adapters.model.encoders.encoder import Encoder
from video_adapters.model.encoders.pretrained import load_encoder

from helpers.networks import clip_vit, clips, randomise, siglip, timm_eva, timm_vit
from helpers.rounding import rounding

State = dict[str, Tensor]


def state_of(build: "partial[nn.Module]") -> State:
    """The weights of a network, none of them as it starts."""
    net = weights.build_random(build)
    randomise(net)
    return {name: value.contiguous() for name, value in net.state_dict().items()}


def write(state: State, file: Path) -> Path:
    if file.suffix == ".safetensors":
        save_file(state, file)
    else:
        torch.save(state, file)
    return file


def held(encoder: Any) -> State:
    """Everything an encoder holds, by the names of the published network."""
    state: State = dict(encoder.net.state_dict())
    family = type(encoder).__name__
    for i, parts in enumerate(encoder.blocks):
        prefix = f"blocks.{i}" if family.startswith("Timm") else f"transformer.resblocks.{i}"
        state.update({f"{prefix}.{name}": value for name, value in parts.block.state_dict().items()})
    if family == "OpenClipVit":
        state.update({f"ln_pre.{name}": value for name, value in encoder.ln_pre.state_dict().items()})
    return state


def assert_holds(encoder: Encoder, state: State) -> None:
    ours = held(encoder)
    assert ours.keys() == state.keys()
    assert [name for name in state if not torch.equal(ours[name], state[name])] == []


def image_tower(state: State) -> State:
    tower = {name[7:]: value for name, value in state.items() if name.startswith("visual.")}
    return {name: value for name, value in tower.items() if name != "proj"}


# timm


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_timm_weights_come_from_a_file(tmp_path: Path, suffix: str) -> None:
    state = state_of(timm_vit(reg_tokens=2, init_values=0.1))
    file = write(state, tmp_path / f"toy.{suffix}")
    statistics = {"mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)}
    build = timm_vit(reg_tokens=2, init_values=0.1, pretrained_cfg_overlay=statistics)
    encoder = load_encoder(build, str(file))
    assert_holds(encoder, state)
    assert (encoder.mean, encoder.std) == (statistics["mean"], statistics["std"])


@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_timm_weights_may_lie_inside_a_training_checkpoint(tmp_path: Path, key: str) -> None:
    state = state_of(timm_vit())
    torch.save({key: {f"module.{name}": value for name, value in state.items()}, "epoch": 3}, tmp_path / "last.pth")
    assert_holds(load_encoder(timm_vit(), str(tmp_path / "last.pth")), state)


def test_the_classifier_of_a_file_is_left_out(tmp_path: Path) -> None:
    state = state_of(timm_vit(num_classes=7))
    encoder = load_encoder(timm_vit(), str(write(state, tmp_path / "toy.pt")))
    assert_holds(encoder, {name: value for name, value in state.items() if not name.startswith("head.")})


@pytest.mark.parametrize("name", ["vit_small_patch16_dinov3_qkvb", "vit_pe_core_tiny_patch16_384"])
def test_a_timm_eva_takes_a_file_but_its_classifier(name: str, tmp_path: Path) -> None:
    state = state_of(timm_eva(name, num_classes=7))
    encoder = load_encoder(timm_eva(name), str(write(state, tmp_path / "toy.pt")))
    assert_holds(encoder, {name: value for name, value in state.items() if not name.startswith("head.")})


def test_the_position_embedding_is_resampled_to_another_image_size(tmp_path: Path) -> None:
    state = state_of(timm_vit())
    state["pos_embed"][:, 1:] = torch.arange(4.0)[None, :, None]  # rows 0 1 and 2 3
    encoder = load_encoder(timm_vit(img_size=64), str(write(state, tmp_path / "toy.pt")))
    embedding = held(encoder)["pos_embed"]
    assert torch.equal(embedding[:, 0], state["pos_embed"][:, 0])
    grid = embedding[0, 1:, 0].view(4, 4)
    assert (grid.diff(dim=0) > 0).all()
    assert (grid.diff(dim=1) > 0).all()
    assert grid.mean() == pytest.approx(1.5, abs=rounding(16**0.5, grid.max().item()))


def test_a_timm_vit_reads_the_archive_of_openai(tmp_path: Path) -> None:
    file, state = openai_archive(tmp_path)
    name = "vit_base_patch16_clip_quickgelu_224"
    encoder = load_encoder(timm_vit(model_name=name, embed_dim=64), str(file))
    tower = image_tower(state)
    assert torch.equal(held(encoder)["norm.weight"], tower["ln_post.weight"])
    assert torch.equal(held(encoder)["blocks.2.mlp.fc1.weight"], tower["transformer.resblocks.2.mlp.c_fc.weight"])


# open_clip


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_open_clip_weights_come_from_a_file(tmp_path: Path, suffix: str) -> None:
    state = state_of(clip_vit(ls_init_value=0.1))
    encoder = load_encoder(clip_vit(ls_init_value=0.1), str(write(state, tmp_path / f"clip.{suffix}")))
    assert_holds(encoder, image_tower(state))


def test_open_clip_weights_are_resampled_to_another_image_size(tmp_path: Path) -> None:
    file = write(state_of(clip_vit()), tmp_path / "clip.pt")
    assert load_encoder(clip_vit(image_size=64), str(file)).net.positional_embedding.shape == (17, 64)


def test_a_file_of_open_clips_timm_tower_is_resampled_and_takes_the_statistics_of_its_tags(tmp_path: Path) -> None:
    state = state_of(siglip())
    file = write(state, tmp_path / "siglip.pt")
    tower = {name.removeprefix("visual.trunk."): value for name, value in state.items() if "visual." in name}
    assert_holds(load_encoder(siglip(), str(file)), tower)
    larger = load_encoder(siglip(force_image_size=64), str(file))
    assert (larger.image_size, larger.net.pos_embed.shape) == ((64, 64), (1, 16, 32))
    assert (larger.mean, larger.std) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))  # not CLIP's, open_clip's default
    assert larger.net.pos_embed.mean().item() == pytest.approx(tower["pos_embed"].mean().item(), abs=0.01)


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
@pytest.mark.parametrize("lost", ["proj", "nothing"])
def test_open_clip_weights_may_be_the_image_tower_alone(tmp_path: Path, suffix: str, lost: str) -> None:
    state = state_of(clip_vit())
    tower = {name[7:]: value for name, value in state.items() if name.startswith("visual.") and name[7:] != lost}
    file = write(tower, tmp_path / f"tower.{suffix}")
    encoder = load_encoder(clip_vit(), str(file))
    assert_holds(encoder, image_tower(state))
    assert encoder.fingerprint == load_encoder(clip_vit(), str(write(state, tmp_path / "clip.pt"))).fingerprint
    assert load_encoder(clip_vit(image_size=64), str(file)).net.positional_embedding.shape == (17, 64)


@pytest.mark.parametrize("lost", ["transformer.resblocks.2.", "ln_post.bias"])
def test_an_image_tower_with_something_missing_is_refused(tmp_path: Path, lost: str) -> None:
    file = write(without(lost)(image_tower(state_of(clip_vit()))), tmp_path / "tower.pt")
    with pytest.raises(ValueError, match=rf"Missing key.*{lost}"):
        load_encoder(clip_vit(), str(file))


class OpenAi(nn.Module):
    """Stands for OpenAI's CLIP as published: named weights in half precision, and three numbers among them."""

    def __init__(self, state: State) -> None:
        super().__init__()
        for name, value in state.items():
            *path, leaf = name.split(".")
            module: nn.Module = self
            for step in path:
                if not hasattr(module, step):
                    module.add_module(step, nn.Module())
                module = getattr(module, step)
            module.register_parameter(leaf, nn.Parameter(value.half()))
        for name, number in {"input_resolution": 32, "context_length": 8, "vocab_size": 50}.items():
            self.register_buffer(name, torch.tensor(number))

    def forward(self, x: Tensor) -> Tensor:
        return x


def openai_archive(folder: Path) -> tuple[Path, State]:
    """A tiny archive of OpenAI's kind, and its weights as fp16 gives them back."""
    state = state_of(clip_vit())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*torch.jit")  # deprecated, but the published archives were made with it
        torch.jit.script(OpenAi(state)).save(str(folder / "ViT-toy.pt"))
    return folder / "ViT-toy.pt", {name: value.half().float() for name, value in state.items()}


def test_the_archive_of_openai_is_read(tmp_path: Path) -> None:
    file, state = openai_archive(tmp_path)
    assert_holds(load_encoder(clip_vit(), str(file)), image_tower(state))


def test_the_archive_of_openai_is_resampled_to_another_image_size(tmp_path: Path) -> None:
    file, _ = openai_archive(tmp_path)
    assert load_encoder(clip_vit(image_size=64), str(file)).net.positional_embedding.shape == (17, 64)


def test_the_archive_of_openai_is_refused_with_another_activation(tmp_path: Path) -> None:
    file, _ = openai_archive(tmp_path)
    with pytest.raises(ValueError, match="trained with QuickGELU; take the encoder's -quickgelu variant"):
        load_encoder(clip_vit("ViT-B-16"), str(file))


def test_a_tag_with_another_activation_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "hub_answers", lambda: True)
    monkeypatch.setattr(open_clip.factory, "download_pretrained", lambda *args, **kwargs: "nowhere.pt")
    with pytest.raises(ValueError, match=r"ViT-B-16 has GELU, but openai was trained with .*: take ViT-B-16-quickgelu"):
        load_encoder(clip_vit("ViT-B-16"), "openai")


def test_the_text_tower_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = []

    def build(**settings: Any) -> nn.Module:
        model = open_clip.create_model(**settings)
        models.append(weakref.ref(model.transformer))
        return model

    for module in (weights, published):
        monkeypatch.setattr(module, "is_open_clip", lambda encoder: True)
    file = write(state_of(clip_vit()), tmp_path / "clip.pt")
    encoder = load_encoder(partial(build, **clip_vit().keywords), str(file))
    gc.collect()
    assert encoder.depths == (3,)
    assert {model() for model in models} == {None}


# what does not fit


def without(*names: str) -> Callable[[State], State]:
    return lambda state: {name: value for name, value in state.items() if not name.startswith(names)}


@pytest.mark.parametrize("lost", ["blocks.2.", "norm.", "cls_token", "pos_embed", "patch_embed.proj.bias"])
def test_timm_weights_with_something_missing_are_refused(tmp_path: Path, lost: str) -> None:
    file = write(without(lost)(state_of(timm_vit(num_classes=7))), tmp_path / "toy.pt")
    with pytest.raises(ValueError, match=rf"could not be loaded from the file .*Missing key.*{lost}"):
        load_encoder(timm_vit(), str(file))


def test_timm_weights_of_a_deeper_network_are_refused(tmp_path: Path) -> None:
    file = write(state_of(timm_vit(depth=4)), tmp_path / "toy.pt")
    with pytest.raises(ValueError, match=r"Unexpected key.*blocks.3"):
        load_encoder(timm_vit(), str(file))


def test_timm_weights_of_a_wider_network_are_refused(tmp_path: Path) -> None:
    file = write(state_of(timm_vit(embed_dim=48)), tmp_path / "toy.pt")
    with pytest.raises(ValueError, match=r"size mismatch for cls_token"):
        load_encoder(timm_vit(), str(file))


@pytest.mark.parametrize("lost", ["visual.transformer.resblocks.2.", "visual.ln_post.", "visual.class_embedding"])
def test_clip_weights_with_something_missing_are_refused(tmp_path: Path, lost: str) -> None:
    file = write(without(lost)(state_of(clip_vit())), tmp_path / "clip.pt")
    with pytest.raises(ValueError, match=rf"Missing key.*{lost}"):
        load_encoder(clip_vit(), str(file))


def test_weights_of_the_other_library_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"vit_tiny_patch16_224 could not be loaded from the file .*clip.pt"):
        load_encoder(timm_vit(), str(write(state_of(clip_vit()), tmp_path / "clip.pt")))
    with pytest.raises(ValueError, match=r"ViT-B-16-quickgelu could not be loaded from the file .*timm.pt"):
        load_encoder(clip_vit(), str(write(state_of(timm_vit()), tmp_path / "timm.pt")))


def test_weights_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    state = state_of(timm_vit())
    state["blocks.1.attn.proj.bias"][3] = torch.nan
    with pytest.raises(ValueError, match=r"blocks.1.attn.proj.bias is missing there, or holds values that are not"):
        load_encoder(timm_vit(), str(write(state, tmp_path / "toy.pt")))


@pytest.mark.parametrize("build", [timm_vit(), clip_vit()], ids=["timm", "open_clip"])
def test_a_reader_that_loads_nothing_and_says_nothing_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: Any
) -> None:
    file = write(state_of(build), tmp_path / "toy.pt")
    monkeypatch.setattr(open_clip, "load_checkpoint", lambda model, path: None)
    monkeypatch.setattr(weights, "converted", lambda state, net: net.state_dict())
    with pytest.raises(ValueError, match="is missing there, or holds values that are not finite"):
        load_encoder(build, str(file))


@pytest.mark.parametrize("build", [timm_vit(), clip_vit()], ids=["timm", "open_clip"])
@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_a_truncated_file_is_refused(tmp_path: Path, build: Any, suffix: str) -> None:
    file = write(state_of(build), tmp_path / f"toy.{suffix}")
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=r"could not be loaded from the file .*toy"):
        load_encoder(build, str(file))


@pytest.mark.parametrize("build", [timm_vit(), clip_vit()], ids=["timm", "open_clip"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\n<!DOCTYPE html><html>Not found</html>", "it is a web page, not weights"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "it is a pointer of Git LFS"),
        (b"", "it is empty"),
        (b"no weights here", "could not be loaded"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, build: Any, content: bytes, message: str) -> None:
    (tmp_path / "ViT-B-16.pt").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_encoder(build, str(tmp_path / "ViT-B-16.pt"))


def test_arrays_under_the_name_of_weights_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "toy.npz", weight=np.zeros(3))
    assert zipfile.is_zipfile(tmp_path / "toy.npz")
    for build in (timm_vit(), clip_vit()):
        with pytest.raises(ValueError, match="could not be loaded from the file"):
            load_encoder(build, str(tmp_path / "toy.npz"))


# where to look


@pytest.mark.parametrize("path", ["weights/none.pt", "none.safetensors", "some/folder"])
def test_a_missing_file_is_named_with_where_it_was_looked_for(path: str) -> None:
    with pytest.raises(ValueError, match=rf"model.weights={path} reads as a file, .* none: looked at /.*{path}"):
        load_encoder(timm_vit(), path)


def test_a_mistyped_file_is_met_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "ViT-B-16.pt").touch()
    with pytest.raises(ValueError, match=r"looked at .*ViT-B16\.pt \(did you mean ViT-B-16\.pt\?\)"):
        load_encoder(timm_vit(), str(tmp_path / "ViT-B16.pt"))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (timm_vit(model_name="vit_base_patch16_242"), r"is no network of timm \(did you mean vit_base_patch16_224\?\)"),
        (clip_vit("ViT-B-61-quickgelu"), r"is no network of open_clip \(did you mean ViT-B-16-quickgelu\?\)"),
    ],
)
def test_a_mistyped_network_is_met_with_the_nearest(build: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_encoder(build, "openai")
    with pytest.raises(ValueError, match=r"opnai is neither a file nor a tag of .* \(did you mean openai\?\)"):
        load_encoder(clip_vit(), "opnai")


def test_where_to_get_a_missing_file_is_said() -> None:
    with pytest.raises(ValueError, match=r"by hand from https://example.org/toy, then model.weights=PATH"):
        load_encoder(timm_vit(), "toy.pt", download="https://example.org/toy")


def test_a_relative_path_is_looked_up_here_then_in_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "project").mkdir()
    write(state_of(timm_vit()), tmp_path / "project" / "toy.pt")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pretrained, "PROJECT", tmp_path / "project")
    assert pretrained.find_file("toy.pt") == tmp_path / "project" / "toy.pt"
    write(state_of(timm_vit()), tmp_path / "toy.pt")
    assert pretrained.find_file("toy.pt") == tmp_path / "toy.pt"


@pytest.mark.parametrize(
    ("build", "known"),
    [(timm_vit(model_name="vit_base_patch16_224"), "augreg_in21k"), (clip_vit(), "openai")],
    ids=["timm", "open_clip"],
)
def test_an_unknown_tag_is_refused_with_those_known(build: Any, known: str) -> None:
    with pytest.raises(ValueError, match=rf"nonsense is neither a file nor a tag of .*; its tags are: .*{known}"):
        load_encoder(build, "nonsense")


@pytest.mark.parametrize(
    ("build", "tag", "addresses"),
    [
        (
            timm_vit(model_name="vit_base_patch16_224"),
            "augreg_in21k",
            r"vit_base_patch16_224\.augreg_in21k or https://storage\S+B_16\S+\.npz",
        ),
        (clip_vit(), "openai", r"vit_base_patch16_clip_224\.openai or https://openai\S+/ViT-B-16\.pt"),
        (
            clip_vit("ViT-L-14-quickgelu"),
            "openai",
            r"vit_large_patch14_clip_224\.openai or https://openai\S+/ViT-L-14\.pt",
        ),
    ],
    ids=["timm", "open_clip", "another encoder"],
)
def test_without_a_network_it_fails_after_one_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: Any, tag: str, addresses: str
) -> None:
    asked = []

    class Unplugged:
        def head(self, url: str, timeout: float) -> None:
            asked.append(url)
            raise OSError("Name or service not known")

    monkeypatch.setattr(huggingface_hub.utils, "get_session", Unplugged)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    message = (
        rf"the hub, under the name '{tag}': .* cannot be reached.* by hand from https://\S+/timm/{addresses}, then"
    )
    with pytest.raises(ValueError, match=message):
        load_encoder(build, tag, download="what a config says of another encoder")
    assert len(asked) == 1
    assert not huggingface_hub.constants.HF_HUB_OFFLINE


def test_without_a_network_the_cache_of_this_machine_still_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    offline = []

    def cached(build: Any, tag: str) -> nn.Module:
        offline.append(huggingface_hub.constants.HF_HUB_OFFLINE)
        return weights.build_random(build)

    monkeypatch.setattr(weights, "hub_answers", lambda: False)
    monkeypatch.setattr(weights, "_timm_from_hub", cached)
    assert load_encoder(timm_vit(model_name="vit_base_patch16_224"), "augreg_in21k").depths == (3,)
    assert offline == [True]  # so that the client does not go on asking


@pytest.mark.parametrize("lost", [(), ("blocks.1.",)], ids=["whole", "with a block missing"])
def test_timm_weights_of_the_hub_are_loaded_as_strictly(monkeypatch: pytest.MonkeyPatch, lost: tuple[str, ...]) -> None:
    build = timm_vit(model_name="vit_base_patch16_224")
    state = state_of(timm_vit(model_name="vit_base_patch16_224", num_classes=7))
    served = {name: value for name, value in state.items() if name.startswith("head.") or not name.startswith(lost)}
    monkeypatch.setattr(weights, "hub_answers", lambda: True)
    monkeypatch.setattr(timm.models, "load_state_dict_from_hf", lambda name: served if "augreg_in21k" in name else {})
    if lost:
        with pytest.raises(ValueError, match=r"Missing key.*blocks.1"):
            load_encoder(build, "augreg_in21k")
    else:
        assert_holds(load_encoder(build, "augreg_in21k"), without("head.")(state))


# without weights


def test_random_weights_are_refused_unless_meant() -> None:
    with pytest.raises(ValueError, match=r"vit_tiny_patch16_224 has no pretrained weights .*model.allow_random=true"):
        load_encoder(timm_vit())
    assert load_encoder(timm_vit(), allow_random=True).depths == (3,)


def test_allowing_random_weights_is_enough_and_says_what_is_not_loaded(caplog: pytest.LogCaptureFixture) -> None:
    assert load_encoder(clip_vit(), "openai", allow_random=True).depths == (3,)
    assert "starts at random, without model.weights=openai" in caplog.text
    with pytest.raises(ValueError, match="reads as a file, but there is none"):  # who names a file means it
        load_encoder(clip_vit(), "no/such/file.pt", allow_random=True)


def test_other_ways_to_build_are_refused() -> None:
    with pytest.raises(ValueError, match=r"model.encoder builds by .*; expected timm.create_model or open_clip"):
        load_encoder(partial(nn.Module), allow_random=True)


def test_nothing_is_said_about_random_weights_that_were_asked_for_or_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    load_encoder(clip_vit(), allow_random=True)
    load_encoder(clip_vit(), str(write(state_of(clip_vit()), tmp_path / "clip.pt")))
    load_encoder(clip_vit(), str(openai_archive(tmp_path)[0]))
    assert caplog.records == []


def test_the_root_logger_is_not_set_up_behind_the_users_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # as before anybody set it up
    load_encoder(clip_vit(), allow_random=True)
    assert logging.getLogger().handlers == []


# naming the weights


def test_a_fingerprint_names_the_frozen_weights(tmp_path: Path) -> None:
    state = state_of(clip_vit())
    first = load_encoder(clip_vit(), str(write(state, tmp_path / "clip.pt"))).fingerprint
    assert load_encoder(clip_vit(), str(write(state, tmp_path / "clip.safetensors"))).fingerprint == first
    state["visual.proj"] += 1  # AIM leaves the projection out
    assert load_encoder(clip_vit(), str(write(state, tmp_path / "clip.pt"))).fingerprint == first
    state["visual.transformer.resblocks.1.mlp.c_fc.bias"][0] += 1e-6
    assert load_encoder(clip_vit(), str(write(state, tmp_path / "clip.pt"))).fingerprint != first


def test_a_fingerprint_does_not_depend_on_how_positions_were_resampled() -> None:
    encoders = []
    for shift in (0, 1e-7):
        torch.manual_seed(0)
        net: Any = weights.build_random(timm_vit())
        net.pos_embed.data += shift
        encoders.append(pretrained.open_up(net))
    assert encoders[0].fingerprint == encoders[1].fingerprint


def test_loaded_encoders_run(tmp_path: Path) -> None:
    encoder = load_encoder(timm_vit(), str(write(state_of(timm_vit()), tmp_path / "toy.pt")))
    assert encoder.embed(clips().flatten(0, 1).float()).shape == (8, 5, 32)
