"""What a run may start from and what an evaluation needs: frozen or tuned, named or unnamed, short or long."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from video_adapters.model import checkpoint
from video_adapters.model.build import build_classifier
from video_adapters.model.checkpoint import PREFIX, Origin, load_start, load_trained
from video_adapters.model.classifier import VideoClassifier

from helpers.toy import composed, run, score

ADAPTERS = ("aim", "full_tuning", "lora", "st_adapter", "timesformer")


def best(folder: Path) -> Path:
    return folder / "checkpoints" / "best.ckpt"


@pytest.fixture
def shapes(shapes: list[str]) -> list[str]:
    return [*shapes, "data.max_videos=8"]  # a step is enough here


def test_adapters_learned_on_a_frozen_encoder_start_a_run_that_tunes_it_too(shapes: list[str], tmp_path: Path) -> None:
    run(tmp_path / "frozen", *shapes, "adapter=aim")
    start = f"init_from={best(tmp_path / 'frozen')}"
    run(tmp_path / "tuned", *shapes, "adapter=aim_full_tuning", start, "optim.lr=1e-12")
    ours, theirs = (torch.load(best(tmp_path / n), weights_only=True)["state_dict"] for n in ("tuned", "frozen"))
    assert len(ours) > len(theirs)
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, atol=1e-8, rtol=0)
    with pytest.raises(ValueError, match=r"it has backbone.blocks.*, which the model has not"):
        run(tmp_path / "back", *shapes, "adapter=aim", f"init_from={best(tmp_path / 'tuned')}")


@pytest.mark.parametrize("adapter", ["full_tuning", pytest.param("timesformer", marks=pytest.mark.slow)])
def test_a_fully_tuned_checkpoint_needs_no_other_file(adapter: str, shapes: list[str], tmp_path: Path) -> None:
    cfg = composed(*shapes, f"adapter={adapter}")
    file = tmp_path / "encoder.safetensors"
    tower = build_classifier(composed(*shapes, "adapter=none")).backbone.encoder.net.state_dict()
    names = dict(build_classifier(composed(*shapes, "adapter=none")).backbone.named_parameters())
    blocks = {n.replace(".parts.block", ""): p.detach() for n, p in names.items() if n.startswith("blocks.")}
    save_file({**tower, **blocks}, file)
    assert cfg.model.weights is None
    trained = run(tmp_path / "run", *shapes, f"adapter={adapter}", f"model.weights={file}")
    file.unlink()
    scored = score(tmp_path / "eval", f"checkpoint={best(tmp_path / 'run')}")
    assert scored["test/loss"] == pytest.approx(trained["test/loss"], rel=1e-6)


def test_an_adapted_checkpoint_needs_its_encoder(shapes: list[str], tmp_path: Path) -> None:
    run(tmp_path / "run", *shapes)
    content = torch.load(best(tmp_path / "run"), weights_only=True)
    content["origin"]["config"]["model"]["weights"] = str(tmp_path / "gone.safetensors")
    torch.save(content, tmp_path / "moved.ckpt")
    with pytest.raises(Exception, match=r"gone.safetensors reads as a file, but there is none"):
        score(tmp_path / "eval", f"checkpoint={tmp_path / 'moved.ckpt'}")


@pytest.mark.parametrize("adapter", ["none", pytest.param("video_swin", marks=pytest.mark.slow)])
def test_clips_of_another_length_are_asked_for_whatever_the_method(
    adapter: str, shapes: list[str], tmp_path: Path
) -> None:
    swin = [*shapes, "model=toy_swin", f"adapter={adapter}", "data.tubelet=2"]
    run(tmp_path / "run", *swin)
    start = [f"init_from={best(tmp_path / 'run')}", "data.num_frames=16"]
    with pytest.raises(ValueError, match=r"trained on data.num_frames=8 in tubelets of 2, .* data.num_frames=16 in"):
        run(tmp_path / "refused", *swin, *start)
    run(tmp_path / "longer", *swin, *start, "resize_time=true")


@pytest.mark.parametrize(
    ("there", "here", "same"),
    [
        (("a", "b"), ("a", "b"), True),
        (("a", "b"), ("b", "a"), True),
        (("0", "1", "10"), ("0", "10", "1"), True),
        (("1", "0"), ("0", "1"), True),
        (("a", "a"), ("a", "b"), False),
        (("a", "b"), ("a", "c"), False),
        (("0", "1"), ("a", "b"), True),  # imported without names
        (("a", "b"), ("0", "1"), True),
        (("0", "1", "2"), ("a", "b"), False),
        ((), ("a", "b"), False),  # imported without a head
    ],
)
def test_the_head_is_taken_over_where_classes_agree_by_name_or_without_names_by_number(
    there: tuple[str, ...], here: tuple[str, ...], same: bool
) -> None:
    cfg = composed("model=toy_vit", f"data.num_classes={len(here)}")
    classifier = build_classifier(cfg)
    data = {"data": {"num_frames": 8}}
    own, theirs = (Origin(data, names, classifier.backbone.encoder.fingerprint) for names in (here, there))
    state = {f"{PREFIX}{name}": torch.ones_like(p) for name, p in classifier.trainable().items()}
    rows = torch.arange(1.0, len(there) + 1)[:, None].expand(-1, classifier.head.linear.in_features)
    state[f"{PREFIX}head.linear.weight"] = rows
    content = {"state_dict": state, "origin": theirs.as_dict()}
    assert load_start(classifier, own, content).head == same
    expected = [there.index(name) if set(there) == set(here) else label for label, name in enumerate(here)]
    taken = classifier.head.linear.weight.equal(rows[expected]) if len(there) == len(here) else False
    assert taken == same


def test_a_run_goes_on_with_its_own_classes_in_their_order_alone() -> None:
    names = tuple(str(label) for label in range(11))
    before, now = (Origin({}, order, "") for order in (tuple(sorted(names)), names))
    content = {"origin": before.as_dict()}
    checkpoint.check_same_classes(before, content, "here", ordered=True)
    checkpoint.check_same_classes(now, content, "here")
    with pytest.raises(
        ValueError, match=r"label 2 is '10' to it and '2' there, .* init_from=CHECKPOINT, which matches"
    ):
        checkpoint.check_same_classes(now, content, "here", ordered=True)


@pytest.mark.parametrize("model", ["toy_vit", "toy_clip"])
def test_another_image_size_is_named(model: str) -> None:
    made = []
    for size in (32, 48):
        cfg = composed(f"model={model}", f"data.image_size={size}")
        torch.manual_seed(0)
        classifier = build_classifier(cfg)
        origin = Origin(
            {"data": {"num_frames": 8, "image_size": size}}, ("a",), classifier.backbone.encoder.fingerprint
        )
        made.append((classifier, origin))
    (_, theirs), (classifier, own) = made
    with pytest.raises(ValueError, match=r"trained on frames of data.image_size=32, and at 48 .* data.image_size=32$"):
        load_start(classifier, own, {"state_dict": {}, "origin": theirs.as_dict()})


@pytest.mark.parametrize("key", ["depth", "pool"])
def test_a_head_is_taken_over_from_the_same_features_alone(key: str) -> None:
    """Blocks are frozen and in no checkpoint: nothing but the config tells where the encoder ended."""
    with torch.device("meta"):
        classifier = build_classifier(composed("model=toy_vit", "adapter=frozen", "data.num_classes=2"))
    frozen, names = classifier.backbone.encoder.fingerprint, ("a", "b")
    ends = {"depth": 3, "pool": "class"}
    there, here = ({"data": {"num_frames": 8}, "model": model} for model in ({key: ends[key]}, {}))
    content = {"state_dict": {}, "origin": Origin(there, names, frozen).as_dict()}
    for load in (load_start, load_trained):
        with pytest.raises(ValueError, match=rf"model.{key}={ends[key]}.* here gives .*=null.*: give .*={ends[key]}"):
            load(classifier, Origin(here, names, frozen), content)


def build(*overrides: str) -> tuple[VideoClassifier, Origin]:
    """A model of two classes, its frozen weights the same every time, and what it says of itself."""
    cfg = composed("model=toy_vit", "model.depth=3", "data.num_classes=2", *overrides)
    torch.manual_seed(0)
    classifier = build_classifier(cfg).eval()
    config: dict[str, Any] = {"model": dict(cfg.model), "head": dict(cfg.head), "data": {"num_frames": 8}}
    return classifier, Origin(config, ("a", "b"), classifier.backbone.encoder.fingerprint)


@torch.no_grad()
def left_behind(classifier: VideoClassifier, of: Origin) -> dict[str, Any]:
    """The checkpoint of a run that changed all that it could."""
    generator = torch.Generator().manual_seed(1)
    for value in classifier.learned().values():
        if value.is_floating_point():
            value.add_(torch.rand(value.shape, generator=generator))
    state = {f"{PREFIX}{name}": value.clone() for name, value in classifier.learned().items()}
    return {"state_dict": state, "origin": of.as_dict()}


@pytest.mark.parametrize(
    ("there", "head", "adapter"),
    [
        ("frozen", "linear_in_order", "aim"),
        *(pytest.param("none", "mean_standardised", adapter, marks=pytest.mark.slow) for adapter in ADAPTERS),
    ],
)
def test_adapters_start_from_a_probes_head_and_score_as_it_does(there: str, head: str, adapter: str) -> None:
    settings = [f"head={head}", "model.pool=both"]
    probe, of = build(*settings, f"adapter={there}")
    content = left_behind(probe, of)
    adapted, own = build(*settings, f"adapter={adapter}")
    assert load_start(adapted, own, content) == (there == "none", True)  # whose final norm trained
    clips = torch.randint(256, (2, 8, 3, 40, 40), dtype=torch.uint8)
    torch.testing.assert_close(adapted(clips), probe(clips), rtol=1e-5, atol=1e-5)


def test_heads_on_the_encoder_and_on_a_network_beside_it_are_told_apart() -> None:
    # as wide as the toy encoder: shapes say nothing
    narrow = ["adapter=side4video_shapes", "adapter.width=32", "adapter.num_heads=2", "head=mean"]
    encoder, beside = build("adapter=aim", "head=mean"), build(*narrow)
    own, other = "the encoder itself", "a network beside the encoder"
    for (model, of), content, (there, here) in (
        (beside, left_behind(*encoder), (own, other)),
        (encoder, left_behind(*beside), (other, own)),
    ):
        with pytest.raises(ValueError, match=rf"reads features of {there}, the model here gives those of {here}: give"):
            load_start(model, of, content)
    load_start(*build(*narrow), left_behind(*beside))


@pytest.mark.slow
def test_a_run_that_starts_from_a_probe_begins_at_its_score(
    shapes: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ends = [*shapes, "model.depth=3", "model.pool=both", "head=linear_in_order"]
    probe = run(tmp_path / "probe", *ends, "adapter=frozen", "trainer.max_epochs=3", "optim.lr=1e-2")
    with caplog.at_level("INFO"):
        adapted = run(tmp_path / "adapted", *ends, f"init_from={best(tmp_path / 'probe')}", "optim.lr=1e-12")
    assert "which has no adapters: those of here begin anew" in caplog.text
    assert adapted["test/loss"] == pytest.approx(probe["test/loss"], rel=1e-3)
    assert adapted["test/top1"] == probe["test/top1"]


def test_a_probe_of_another_head_or_other_classes_is_refused_in_a_sentence() -> None:
    content = left_behind(*build("adapter=frozen", "head=linear_in_order"))
    for head, message in {
        "mean_standardised": r"is \(2, 256\) in it and \(2, 32\) here. Its head is LinearInOrderHead .*, here it is Me",
        "mean": r"it has head.standardise.*MeanHead head.dropout=0.5 head.standardise=False: give the same",
    }.items():
        with pytest.raises(ValueError, match=message):
            load_start(*build("adapter=aim", f"head={head}"), content)
    model, own = build("adapter=aim", "head=linear_in_order")
    with pytest.raises(ValueError, match=r"a head alone, and its classes are others .* nothing to start from"):
        load_start(model, replace(own, class_names=("a", "c")), content)
    foreign = {**content["state_dict"], f"{PREFIX}backbone.blocks.0.before_mlp.up.bias": torch.zeros(32)}
    with pytest.raises(ValueError, match=r"it lacks backbone.*; it has backbone.blocks.0.before_mlp, which the model"):
        load_start(model, own, {**content, "state_dict": foreign})


def test_a_run_that_starts_from_a_checkpoint_has_its_score_before_the_first_step(
    shapes: list[str], tmp_path: Path
) -> None:
    """What training spoils is not the best: at a rate of 10 the start stays that."""
    words = [*shapes, "adapter=frozen", "head=mean_standardised", f"features.root={tmp_path}"]
    run(tmp_path / "first", *words, "trainer.max_epochs=3", "optim.lr=1e-2", "test=false")
    start = f"init_from={best(tmp_path / 'first')}"
    again = run(tmp_path / "again", *words, start, "optim.lr=10", "test=false")
    metrics = pd.read_csv(tmp_path / "again" / "metrics.csv")
    scores = metrics[["step", "val/top1"]].dropna()
    assert scores["step"].tolist() == [0, 0]  # of one step an epoch, counted from 0
    assert again["val/top1"] == scores["val/top1"].max() == pytest.approx(scores["val/top1"].iloc[0])
    before, after = (torch.load(best(tmp_path / name), weights_only=True) for name in ("first", "again"))
    assert all(value.equal(before["state_dict"][name]) for name, value in after["state_dict"].items())
    last = torch.load(tmp_path / "again" / "checkpoints" / "last.ckpt", weights_only=True)
    (keeper,) = (state for name, state in last["callbacks"].items() if name.startswith("ModelCheckpoint"))
    assert keeper["best_model_score"] == pytest.approx(again["val/top1"])  # so that a run that goes on knows of it
