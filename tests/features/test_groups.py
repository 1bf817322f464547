"""Groups of videos beside their stored features."""

import numpy as np
import pytest

from video_adapters.features import FeatureStore
from video_adapters.features.read import features_in

from helpers.feature_parts import Parts


def test_arrays_come_with_labels_paths_and_groups(
    store: FeatureStore, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert features_in(store, parts.data, "val").groups is None  # moving shapes have none
    groups = tuple(f"person {i}" for i in range(24))
    monkeypatch.setattr(parts.data.annotations, "groups", lambda split: groups if split == "val" else None)
    features = features_in(store, parts.data, "val")
    assert features.groups == groups
    assert features.labels.tolist() == parts.data.videos("val").labels.tolist()
    assert features.paths[0] == parts.data.videos("val")[0].path
    for (layer, kind), array in features.arrays.items():
        np.testing.assert_array_equal(array, store.read(layer, kind))
