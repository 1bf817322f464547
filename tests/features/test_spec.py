"""Every setting that decides features is in the name of their folder."""

import pytest

from helpers.feature_parts import Parts, changed


@pytest.mark.parametrize(
    "override",
    [
        "data.sampling={_target_: video_adapters.data.clips.sample.Strided, _partial_: true, stride: 2}",
        "data.test_views.resize=64",
        "data.test_views.crops=3",
        "data.strict=true",
        "model.encoder.model_name=vit_small_patch16_224",
        "trainer.precision=bf16-mixed",
        "memory.residual_dtype=auto",
        "features.tokens=all",
    ],
)
def test_a_setting_makes_another_store(parts: Parts, override: str) -> None:
    assert _changed(parts, override, "test")


@pytest.mark.parametrize(
    "override", ["seed=1", "data.train_transform.area=[0.5,1]", "data.train_transform.flip=0.5", "features.views=null"]
)
def test_a_setting_makes_another_store_of_draws(parts: Parts, override: str) -> None:
    assert _changed(parts, override, "train", "features.views=2")


@pytest.mark.parametrize("override", ["features.views=3", "batch.per_device=2", "data.num_workers=3"])
def test_what_decides_no_value_makes_none(parts: Parts, override: str) -> None:
    assert not _changed(parts, override, "train", "features.views=2")


def test_several_clips_make_another_store(parts: Parts) -> None:
    strided = "data.sampling={_target_: video_adapters.data.clips.sample.Strided, _partial_: true, stride: 2}"
    assert _changed(parts, "data.test_views.clips=2", "test", strided)


def test_other_weights_make_another_store(parts: Parts) -> None:
    before = parts.open().spec
    encoder = parts.backbone.encoder
    fingerprint = encoder.fingerprint
    encoder.fingerprint = "0" * 64
    assert parts.open().spec.key != before.key
    encoder.fingerprint = fingerprint


def _changed(parts: Parts, override: str, use: str, *always: str) -> bool:
    """Whether an override makes another key."""
    before, after = (changed(parts, *overrides).open(use).spec for overrides in (always, (*always, override)))
    return before.key != after.key
