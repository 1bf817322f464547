"""Encoders by their libraries' names: those that fit, those that do not, and the licences of their weights."""

from functools import partial
from typing import Any

import open_clip
import pytest
import timm
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn

from video_adapters.model.encoders import pretrained
from video_adapters.model.encoders.pretrained import load_encoder, outline
from video_adapters.model.encoders.published import licence_of
from video_adapters.model.licences import terms
from video_adapters.trust.arguments import buildable

from helpers.toy import composed


def of_timm(name: str, **settings: Any) -> "partial[nn.Module]":
    return partial(timm.create_model, model_name=name, num_classes=0, **{"img_size": 224, **settings})


def of_open_clip(name: str, size: int = 224) -> "partial[nn.Module]":
    return partial(open_clip.create_model, model_name=name, force_image_size=size)


def test_any_name_of_timm_brings_the_tag_of_its_weights() -> None:
    model = composed("model=timm", "model.name=vit_small_patch14_reg4_dinov2.lvd142m", "data.image_size=28").model
    assert (model.encoder.model_name, model.weights) == ("vit_small_patch14_reg4_dinov2.lvd142m", "lvd142m")
    narrow = {"embed_dim": 32, "depth": 1, "num_heads": 2}
    model.encoder = {**model.encoder, **narrow}
    model.allow_random = True
    assert instantiate(model, _convert_="all").prefix == 5
    assert composed("model=timm", "model.name=vit_small_patch16_224").model.weights is None


def test_a_checkpoint_on_a_network_by_name_is_rebuilt_and_nothing_is_fetched_on_its_word() -> None:
    cfg = composed("model=timm", "model.name=vit_small_patch14_reg4_dinov2.lvd142m", "run_dir=.", "name=toy")
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    assert buildable(config, "a file")["model"]["cached_only"]


def test_any_name_of_open_clip_takes_the_tag_of_its_weights() -> None:
    model = composed("model=open_clip", "model.name=ViT-B-32-256", "model.weights=datacomp_s34b_b86k").model
    assert (model.encoder.model_name, model.weights) == ("ViT-B-32-256", "datacomp_s34b_b86k")


@pytest.mark.parametrize(("library", "name"), [("timm", "vit_smal_patch16_224.augreg_in1k"), ("open_clip", "ViTB32")])
def test_an_unknown_name_is_told_by_the_key_that_gave_it(library: str, name: str) -> None:
    model = composed(f"model={library}", f"model.name={name}").model
    with pytest.raises(
        ValueError, match=rf"^model\.name={name} is no network of {library} \(did you mean ViT-B-32|v.*\?\)"
    ):
        load_encoder(instantiate(model.encoder, _convert_="all"), "any", name=name)


def test_without_weights_the_tags_are_listed() -> None:
    with pytest.raises(
        ValueError, match=r"has no pretrained weights .* or one of the tags lvd142m or, if that is meant"
    ):
        load_encoder(of_timm("vit_small_patch14_reg4_dinov2"))


FOREIGN = "supported are: .*models.py --encoders"
CONVOLUTION = "is supported only with one convolution for its patches"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (of_timm("resnet18"), f"timm.models.resnet.ResNet; {FOREIGN}"),
        (of_timm("vit_base_mci_224.apple_mclip2_dfndr2b"), CONVOLUTION),
        (of_timm("deit_tiny_distilled_patch16_224"), f"deit.VisionTransformerDistilled; {FOREIGN}"),
        (of_timm("vit_tiny_patch16_224", img_size=225), "225x225 pixels are no whole number of 16x16 patches"),
        (
            of_timm("vit_tiny_patch16_224", sizes=3),
            "cannot be built with num_classes=0, img_size=224, sizes=3: .*sizes",
        ),
        *(
            pytest.param(build, message, marks=pytest.mark.slow)
            for build, message in [
                (of_timm("convnext_tiny"), "convnext.ConvNeXt; "),
                (of_timm("cait_xxs24_224"), "cait.Cait; "),
                (of_timm("xcit_nano_12_p8_224"), "xcit.Xcit; "),
                (of_timm("vitamin_small_224"), CONVOLUTION),
                (of_timm("hiera_tiny_224"), "hiera.Hiera; "),
                (of_timm("naflexvit_base_patch16_gap"), "naflexvit.NaFlexVit; "),
                (of_timm("samvit_base_patch16"), "VisionTransformerSAM; "),
                (of_timm("vit_small_r26_s32_224"), CONVOLUTION),
                (of_timm("vit_base_patch16_rpn_224"), "block is a .*ResPostBlock, but TimmVitParts knows"),
                (of_open_clip("RN50"), "ModifiedResNet; "),
                (of_open_clip("coca_ViT-B-32"), "only with class-token or mean pooling"),
                (
                    of_open_clip("xlm-roberta-base-ViT-B-32"),
                    "cannot be built with force_image_size=224: .*transformers",
                ),
                (of_open_clip("MobileCLIP2-B"), CONVOLUTION),
                (of_open_clip("MobileCLIP2-S0"), "fastvit.FastVit; "),
            ]
        ),
    ],
    ids=lambda value: value.keywords["model_name"] if isinstance(value, partial) else "",
)
def test_what_does_not_fit_is_refused_in_a_sentence_before_its_weights_are_looked_for(build: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_encoder(build, "no_such_tag")


@pytest.mark.slow
@pytest.mark.parametrize(
    "build",
    [
        of_timm("deit3_small_patch16_224.fb_in22k_ft_in1k"),
        of_timm("flexivit_small"),
        of_timm("vit_so150m_patch16_reg4_gap_256"),
        of_timm("test_vit"),
        of_timm("swin_tiny_patch4_window7_224.ms_in1k"),
        of_open_clip("ViT-B-32-SigLIP2-256"),
        of_open_clip("ViT-S-16"),
    ],
    ids=lambda build: build.keywords["model_name"],
)
def test_others_fit_as_they_are(build: Any) -> None:
    outline(build)


@pytest.mark.parametrize(
    ("build", "weights", "licence"),
    [
        (of_timm("vit_small_patch14_reg4_dinov2"), "lvd142m", "apache-2.0"),
        (of_timm("vit_small_patch16_dinov3"), "lvd1689m", "dinov3-license"),
        (of_timm("vit_small_patch16_dinov3"), "a/file.pt", "dinov3-license"),  # the published ones, most likely
        (of_timm("vit_small_patch14_reg4_dinov2"), "a/file.pt", ""),  # anybody's
        (of_timm("vit_base_patch32_clip_224.metaclip_400m"), "a/file.pt", "cc-by-nc-4.0"),
        (of_open_clip("ViT-B-32-quickgelu"), "metaclip_400m", "cc-by-nc-4.0"),  # as timm says of the same file
        (of_open_clip("ViT-B-16-quickgelu"), "dfn2b", "apple-ascl"),
        (of_open_clip("ViT-B-16"), "laion2b_s34b_b88k", ""),  # nobody says
    ],
)
def test_licences_are_those_of_the_weights(build: Any, weights: str, licence: str) -> None:
    assert licence_of(build, weights) == licence
    assert bool(terms(licence)) == (licence not in ("", "apache-2.0"))


def test_whatever_a_library_raises_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(build: Any) -> nn.Module:
        raise IndexError("tuple index out of range")

    monkeypatch.setattr(pretrained, "build_random", fail)
    with pytest.raises(ValueError, match=r"vit_tiny_patch16_224 cannot be built with .*: tuple index out of range"):
        load_encoder(of_timm("vit_tiny_patch16_224"), "augreg_in21k")
