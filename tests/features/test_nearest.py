"""Nearest neighbours as a control."""

import torch

from video_adapters.features.probing.nearest import nearest


def test_neighbours_tell_clusters_apart_and_lacking_classes_get_nothing() -> None:
    centres, labels = torch.randn(3, 10), torch.arange(30) % 3
    features = 20 + 0.003 * (3 * centres[labels] + torch.randn(30, 10))
    others = 20 + 0.003 * 3 * centres
    shares = nearest(features, labels, 5, others, neighbours=5)
    assert shares.argmax(1).tolist() == [0, 1, 2]
    torch.testing.assert_close(shares.sum(1), torch.ones(3, dtype=torch.float64))
    assert not shares[:, 3:].any()
    assert nearest(features[:2], labels[:2], 5, others, neighbours=5).shape == (3, 5)
