"""Nearest neighbours as a control."""

import pytest
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


@pytest.mark.parametrize("neighbours", [1, 3])
def test_neighbours_are_near_by_their_direction_and_nearer_ones_count_for_more(neighbours: int) -> None:
    """A clip at 6 degrees from one of class 0, at 39 and 84 from two of class 1, the first of which is at its side."""
    features = torch.tensor([[4.0, 0], [-4, 0], [0, 4], [0, -4], [1, 1], [-1, -1]])  # of mean 0, as wide as high
    labels = torch.tensor([0, 0, 1, 1, 1, 1])
    shares = nearest(20 + features, labels, 2, 20 + torch.tensor([[1.0, 0.1]]), neighbours)
    assert shares.argmax(1).tolist() == [0]
