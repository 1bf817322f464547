"""Intervals of accuracies: against published figures, another library, and what defines them."""

import math

import pytest
from scipy.stats import binomtest

from video_adapters.commands.intervals import Z, between, wilson
from video_adapters.training.accuracy import accuracies


@pytest.mark.parametrize(
    ("right", "videos", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_that_of_the_literature(right: int, videos: int, low: float, high: float) -> None:
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3
    assert wilson(right / videos, videos) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("videos", [1, 2, 7, 40, 2000])
def test_the_interval_is_scipys_and_its_ends_are_where_the_score_test_turns(videos: int) -> None:
    for right in {0, 1, videos // 2, videos - 1, videos}:
        found = wilson(right / videos, videos)
        expected = binomtest(right, videos).proportion_ci(0.95, method="wilson")
        assert found == pytest.approx((expected.low, expected.high), abs=1e-6)
        for end in found:
            if 1e-12 < end < 1 - 1e-12:  # else it is 0 or 1, but for rounding
                away = abs(right / videos - end) / math.sqrt(end * (1 - end) / videos)
                assert away == pytest.approx(Z, rel=1e-6)


def test_accuracies_are_percent_with_their_interval_and_what_it_is_of() -> None:
    assert between(0.5, 10) == "50.0% (23.7 to 76.3)"
    assert between(0.5, 0) == "50.0%"
    scores = {"test/top1": 0.5, "test/top5": 1.0, "test/mean_class": 0.4, "test/videos": 10.0, "val/top1": 1.0}
    assert accuracies(scores, "test/") == {
        "test/top1": "50.0% (23.7 to 76.3), the 95% interval of 10 videos",
        "test/top5": "100.0% (72.2 to 100.0)",
        "test/mean_class": "40.0%",
    }
    assert accuracies({"val/top1": 1.0}, "test/") == {}
