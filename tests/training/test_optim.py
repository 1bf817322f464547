"""Parameter groups of the recipe: what decays, and which rate it learns at."""

import pytest
import torch

from video_adapters.model.build import build_classifier
from video_adapters.model.classifier import VideoClassifier
from video_adapters.training.optim import AdamW

from helpers.toy import composed


@pytest.fixture(scope="module")
def classifier() -> VideoClassifier:
    return build_classifier(composed("model=toy_vit"))


def named(classifier: VideoClassifier, groups: list[dict[str, object]]) -> dict[str, set[str]]:
    names = {id(p): name for name, p in classifier.named_parameters()}
    return {str(group["name"]): {names[id(p)] for p in group["params"]} for group in groups}  # type: ignore[attr-defined]


def test_norms_are_not_decayed_but_biases_and_the_temporal_embedding_are(classifier: VideoClassifier) -> None:
    groups = named(classifier, AdamW().groups(classifier))
    assert groups["backbone, no decay"] == {"backbone.encoder.net.norm.weight", "backbone.encoder.net.norm.bias"}
    assert "backbone.temporal_embedding" in groups["backbone"]
    assert "backbone.blocks.0.joint.up.bias" in groups["backbone"]
    assert groups["head"] == {"head.linear.weight", "head.linear.bias"}


@pytest.mark.parametrize("head", [pytest.param("map", marks=pytest.mark.slow), "attentive"])
def test_queries_positions_and_norms_of_a_head_are_not_decayed(head: str) -> None:
    with torch.device("meta"):
        classifier = build_classifier(composed("model=toy_vit", f"head={head}", "head.positions=learned"))
    exempt = named(classifier, AdamW().groups(classifier))["head, no decay"]
    assert {"head.query", "head.positions"} < exempt
    assert {name.split(".")[-2] for name in exempt if name.count(".") > 1} <= {"norm", "norm1", "norm2", "last_norm"}


def test_every_trainable_parameter_is_in_one_group(classifier: VideoClassifier) -> None:
    groups = AdamW().groups(classifier)
    parameters = [p for group in groups for p in group["params"]]
    assert len({id(p) for p in parameters}) == len(parameters)
    assert {id(p) for p in parameters} == {id(p) for p in classifier.trainable().values()}


def test_the_encoders_embeddings_would_not_be_decayed_where_they_train(classifier: VideoClassifier) -> None:
    position = classifier.backbone.encoder.net.pos_embed
    position.requires_grad_(True)
    groups = named(classifier, AdamW().groups(classifier))
    position.requires_grad_(False)
    assert "backbone.encoder.net.pos_embed" in groups["backbone, no decay"]


@pytest.mark.parametrize(
    ("adapter", "undecayed"),
    [
        ("aim_swin", {"blocks.0.time_bias.table", "blocks.2.time_bias.table"}),
        ("full_tuning", {f"blocks.{i}.parts.block.attn.relative_position_bias_table" for i in range(4)}),
        ("timesformer", {f"blocks.{i}.parts.block.attn.relative_position_bias_table" for i in range(4)}),
        ("video_swin", {f"blocks.{i}.attention.relative_position_bias_table" for i in range(4)}),
    ],
)
def test_position_biases_of_a_swin_are_not_decayed(adapter: str, undecayed: set[str]) -> None:
    swin = build_classifier(composed("model=toy_swin", f"adapter={adapter}"))
    exempt = named(swin, AdamW().groups(swin))["backbone, no decay"]
    assert {name.removeprefix("backbone.") for name in exempt if "norm" not in name} == undecayed


def test_the_backbone_may_learn_at_a_share_of_the_rate(classifier: VideoClassifier) -> None:
    optimizer = AdamW(lr=3e-4, backbone_lr_ratio=0.1).build(classifier)
    rates = {group["name"]: group["lr"] for group in optimizer.param_groups}
    assert rates == {
        "backbone": pytest.approx(3e-5),
        "backbone, no decay": pytest.approx(3e-5),
        "head": pytest.approx(3e-4),
    }
    decays = {group["name"]: group["weight_decay"] for group in optimizer.param_groups}
    assert decays == {"backbone": 0.05, "backbone, no decay": 0.0, "head": 0.05}
    assert isinstance(optimizer, torch.optim.AdamW)


@pytest.mark.parametrize(
    ("encoder", "adapter"), [("vit", "aim_full_tuning"), ("vit", "timesformer"), ("swin", "video_swin")]
)
def test_pretrained_weights_may_learn_at_a_share_of_what_is_added_to_them(encoder: str, adapter: str) -> None:
    model = build_classifier(composed(f"model=toy_{encoder}", f"adapter={adapter}"))
    groups = AdamW(lr=1.0, backbone_lr_ratio=0.5, encoder_lr_ratio=0.1).groups(model)
    rates = {name: group["lr"] for group in groups for name in named(model, [group])[group["name"]]}
    assert rates.keys() == model.trainable().keys()
    added = (".temporal", ".spatial.", ".joint.", ".time_out.", ".attention.relative_position_bias_table")
    for name, rate in rates.items():
        is_added = any(part in name for part in added)
        assert rate == pytest.approx(1.0 if name.startswith("head.") else 0.5 if is_added else 0.05), name
