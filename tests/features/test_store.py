"""Stored features are the network's, of every kind and block; what is there is not computed again."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from video_adapters.data import dataset
from video_adapters.data.annotations import Videos
from video_adapters.data.sampler import Key
from video_adapters.features import FeatureStore
from video_adapters.features.kinds import TOKENS, asked_kind
from video_adapters.features.probing.head_fitting import set_statistics
from video_adapters.features.stored_clips import StoredTrainClips
from video_adapters.model.encoders import pretrained
from video_adapters.model.execution import Memory
from video_adapters.model.heads.linear_in_order import LinearInOrderHead
from video_adapters.model.heads.map import MapHead

from helpers.feature_parts import Parts, changed
from helpers.real_features import make_real


def clips_of(parts: Parts, videos: slice) -> torch.Tensor:
    """(B, V, T, 3, S, S) of validation videos."""
    clips = parts.data.test_clips("val")
    return torch.stack([clips[Key(i, 0, 0.0)].clip for i in range(len(clips))[videos]])


def test_features_are_the_networks(parts: Parts, store: FeatureStore) -> None:
    clips = clips_of(parts, slice(2, 7))
    for kind in ("class", "patches", "both"):
        for layer in (2, 3, 4):
            with torch.no_grad():
                ((_, tokens),) = parts.backbone.leaving(clips.flatten(0, 1), [layer])
                expected = parts.backbone.encoder.pool_as(tokens, kind).view(5, 1, 8, -1)
            values = store.read(layer, kind)
            assert values.shape == (24, 1, 8, 64 if kind == "both" else 32)
            np.testing.assert_allclose(values[2:7], expected.numpy(), rtol=0, atol=1e-5)
    with torch.no_grad():
        own = parts.backbone.features(clips[:, 0])
    np.testing.assert_allclose(store.read(4, "class")[2:7, 0], own.numpy(), rtol=0, atol=1e-5)


def test_what_is_there_opens_no_video(parts: Parts, store: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "open_video", None)
    again = parts.open()
    again.compute()
    assert (again.read(3, "patches") == store.read(3, "patches")).all()


def test_a_layer_that_is_not_there_is_computed_beside_the_others(made: Callable[..., Parts]) -> None:
    parts = made("data.max_videos=5")
    parts.open(layers=[4]).compute()
    more = parts.open(layers=[1, 4])
    assert (more.states == 0).all()
    more.compute()
    assert (more.read(1, "class") != more.read(4, "class")).any()
    assert sorted(path.name for path in more.folder.glob("block_*")) == ["block_01", "block_04"]


def test_all_tokens_are_the_networks_up_to_their_rounding(made: Callable[..., Parts]) -> None:
    parts = made("features.tokens=all", "features.layers=[4]", "data.max_videos=3")
    store = parts.open()
    store.compute()
    with torch.no_grad():
        ((_, tokens),) = parts.backbone.leaving(clips_of(parts, slice(1, 2))[0], [4])
        expected = parts.backbone.encoder.final_norm(tokens)
    values = store.clip(1, 4, TOKENS)
    assert values.shape == (1, 8, 26, 32)
    np.testing.assert_allclose(values[0], expected.numpy(), rtol=0, atol=float(expected.std()) / 200)
    with pytest.raises(ValueError, match="all tokens of a data set are not read at once"):
        store.read(4, TOKENS)


def test_draws_are_the_clips_of_the_first_epochs(made: Callable[..., Parts]) -> None:
    parts = made("features.views=2", "+data.train_transform.flip=0.5", "data.train_transform.area=[0.3,1]")
    store = parts.open("train", layers=[4])
    store.compute()
    clips = parts.data.train_clips()
    for video, draw in ((0, 0), (5, 1), (35, 1)):
        with torch.no_grad():
            expected = parts.backbone.features(clips[Key(video, draw, 0.0)].clip)
        np.testing.assert_allclose(store.clip(video, 4, "class", draw), expected.numpy(), rtol=0, atol=1e-5)
    assert store.read(4, "class").shape == (36, 2, 8, 32)
    before = parts.open("train", layers=[4]).numbers
    parts.cfg.features.views = 3
    assert (parts.open("train", layers=[4]).numbers[:, :2] == before).all()


def test_a_mirrored_draw_has_the_class_that_mirroring_makes_of_it(made: Callable[..., Parts]) -> None:
    flips = ["+data.train_transform.flip=1", "+data.train_transform.flip_pairs=[[moving left,moving right]]"]
    parts = made("features.views=1", "features.layers=[4]", "data.max_videos=3", *flips)
    videos = parts.data._videos["train"] = Videos(v._replace(label=i) for i, v in enumerate(parts.data.videos("train")))
    store = parts.open("train")
    store.compute()
    clips = StoredTrainClips(store, videos, 4, "class", parts.data.train_transform, 0)
    decoded = parts.data.train_clips()
    for video, label in enumerate((1, 0, 2)):
        sample, expected = (of[Key(video, 0, 0.5)] for of in (clips, decoded))
        assert sample.label == expected.label == label
        assert sample[2:] == expected[2:]


def test_broken_videos_are_named_and_read_as_zeros(
    made: Callable[..., Parts], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    parts = made("data.max_videos=6")
    videos = list(parts.data.videos("val"))
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    videos[1] = videos[1]._replace(path=str(tmp_path / "broken.mp4"))
    videos[4] = videos[4]._replace(path=str(tmp_path / "missing.mp4"))
    parts.data._videos["val"] = Videos(videos)
    store = parts.open()
    store.compute()
    assert store.readable.tolist() == [True, False, True, True, False, True]
    assert not store.read(4, "class")[[1, 4]].any()
    assert "2 clips of 6 could not be read, such as" in caplog.text
    assert "broken.mp4" in store.note(1, 0, "")
    again = parts.open()
    assert again.is_due().tolist() == [False, True, False, False, True, False]  # which are looked at again


def test_features_that_are_no_numbers_are_refused(made: Callable[..., Parts]) -> None:
    parts = made("data.max_videos=2")
    torch.nn.init.constant_(parts.backbone.encoder.final_norm.bias, torch.inf)
    with pytest.raises(ValueError, match=r"features of .*mp4 are no finite numbers in precision 32-true, whose"):
        parts.open().compute()


def test_too_little_room_is_said_before_anything_is_computed(
    made: Callable[..., Parts], monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = made("data.max_videos=2")
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 1000}))
    # 2 clips x 3 blocks x 2 kinds x 8 frames x 32 x 4 bytes
    with pytest.raises(ValueError, match=r"need 12.3 kB in .*, which has 1.0 kB free: give features.root=FOLDER"):
        parts.open().compute()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["features.layers=[5]"], r"features.layers is \[5\], expected blocks from 1 to 4"),
        (["features.layers=[]"], "features.layers is"),
        (["features.tokens=some"], "features.tokens is some, expected pooled, all, leaving"),
        (["features.views=0"], "features.views is 0, expected a number of draws"),
    ],
)
def test_impossible_settings_are_refused(parts: Parts, overrides: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        changed(parts, *overrides).open("train")


def test_a_store_whose_name_says_something_else_is_refused(made: Callable[..., Parts]) -> None:
    parts = made("data.max_videos=2")
    file = parts.open().folder / "store.json"
    content = json.loads(file.read_text())
    content["spec"]["num_frames"] = 9
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="does not say what its folder's name stands for"):
        parts.open()


def test_features_of_what_is_not_kept_are_refused(store: FeatureStore) -> None:
    with pytest.raises(ValueError, match="features of block 1 are not there, only of 2, 3, 4"):
        store.read(1, "class")
    with pytest.raises(ValueError, match="features 'pooled' are not kept of this encoder, only: class, patches"):
        store.read(4, "pooled")


@pytest.mark.slow
@pytest.mark.parametrize("model", ["toy_clip", "toy_swin"])
@pytest.mark.parametrize("memory", [Memory(), Memory(residual_dtype="auto")], ids=["as_is", "residual"])
def test_families_and_precisions_give_what_the_network_gives(
    made: Callable[..., Parts], model: str, memory: Memory
) -> None:
    size = "data.image_size=32"
    parts = made(f"model={model}", size, "trainer.precision=bf16-mixed", "data.max_videos=5", "batch.per_device=8")
    parts.backbone.memory = memory
    store = parts.open()
    store.compute()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        own = parts.backbone.features(clips_of(parts, slice(None))[:, 0]).float()
    values = store.read(max(store.layers), store.spec.kinds[0])[:, 0]
    np.testing.assert_allclose(values, own.numpy(), rtol=0, atol=0.03 * float(own.std()))


def test_replaced_settings_make_other_keys(store: FeatureStore) -> None:
    others = {
        "weights": "f" * 64, "encoder": {}, "num_frames": 4, "tubelet": 2, "image_size": 48, "mean": (0.4,) * 3,
        "std": (0.6,) * 3, "sampling": {"span": 8}, "clips": {"crops": 3}, "strict": True, "precision": "bf16-mixed",
        "kinds": (TOKENS,), "version": 0,
    }  # fmt: skip
    assert others.keys() == store.spec.__dataclass_fields__.keys()
    keys = {replace(store.spec, **{name: value}).key for name, value in others.items()}  # type: ignore[arg-type]
    assert len(keys | {store.spec.key}) == 1 + len(others)


def test_what_would_take_longer_than_it_may_is_refused_by_its_first_clips(made: Callable[..., Parts]) -> None:
    store = made("features.minutes=1e-9").open()
    with pytest.raises(
        ValueError, match=r"of the validation videos would take about .* features\.minutes=1e-09: give more, or fewer"
    ):
        store.compute()
    assert 0 < store.num_present() < len(store)  # what is computed stays
    made("features.minutes=10").open().compute()


@pytest.mark.parametrize("model", ["toy_vit", pytest.param("toy_clip", marks=pytest.mark.slow)])
@pytest.mark.parametrize("tokens", ["pooled", "all"])
def test_scores_are_the_networks_on_features_that_hardly_differ(
    made: Callable[..., Parts], model: str, tokens: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of CLIP and DINOv2, some of whose channels are a hundred times as loud as the others.

    Pooled ones are the network's to the last places of float32. In a channel of mean 2000 and spread 0.03 these come to
    4e-3 of the spread, so that logits cannot agree to 1e-5 here, as they do on other features (test_stored_features).
    """
    plain = pretrained.build_random
    monkeypatch.setattr(pretrained, "build_random", lambda build: make_real(plain(build)))
    every = "memory.skip_dead_work=false"  # token, though this backbone was built to give frames
    parts = made(f"model={model}", f"features.tokens={tokens}", "data.image_size=32", "data.max_videos=12", every)
    store, encoder = parts.open(), parts.backbone.encoder
    store.compute()
    parts.backbone.reads = "frames" if tokens == "pooled" else "tokens"
    with torch.no_grad():
        own = parts.backbone(clips_of(parts, slice(None))[:, 0])
        kind = TOKENS if tokens == "all" else asked_kind(encoder)
        kept = np.stack([store.clip(video, len(parts.backbone.blocks), kind)[0] for video in range(len(store))])
        num_times, width = own.shape[1], own.shape[-1]
        reads_all = MapHead(width, 5, num_times, reads="tokens")
        head = (reads_all if tokens == "all" else LinearInOrderHead(width, 5, num_times)).eval()
        torch.nn.init.normal_(head.linear.weight)
        set_statistics(head, own)
        ours, its = head(torch.from_numpy(kept)), head(own)
    if tokens == "pooled":
        torch.testing.assert_close(torch.from_numpy(kept), own, rtol=4 * torch.finfo(torch.float32).eps, atol=0)
    bound = {"pooled": 1e-3, "all": 1e-2}[tokens] * float(its.std())
    torch.testing.assert_close(ours, its, rtol=0, atol=bound)
    assert float(own.mean(0).std()) > 100 * float(own.std(0).mean())  # far from 0, and hardly different
