"""Smoothing and hysteresis in closed form."""

import math

import numpy as np
import pytest

from video_adapters.recognition.events import Event, Hysteresis, Smoothing


def test_after_one_time_constant_63_percent_of_a_step_are_there_whatever_the_times() -> None:
    for times in ([0.0, 1.5], [0.0, 0.1, 0.7, 1.5]):
        smoothing = Smoothing(1.5)
        smoothed = [smoothing(time, np.array([float(time > 0)])) for time in times]
        assert smoothed[-1][0] == pytest.approx(1 - math.exp(-1))
    smoothing.restart()
    assert smoothing(9.0, np.array([0.25]))[0] == 0.25


def test_without_a_time_constant_scores_stay_as_they_are() -> None:
    smoothing = Smoothing(0)
    for time, score in ((0.0, 0.3), (0.0, 0.9), (1.0, 0.1)):
        assert smoothing(time, np.array([score]))[0] == score


def test_an_event_lasts_from_the_upper_threshold_to_the_lower_one() -> None:
    events = Hysteresis(("a", "b"), enter=0.6, leave=0.4)
    told = [events(t, np.array([a, 1 - a])) for t, a in enumerate([0.5, 0.6, 0.45, 0.39, 0.5])]
    a, b = Event("a", 1.0, None, 0.6), Event("b", 3.0, None, 0.61)
    assert told == [([], []), ([a], []), ([], []), ([b], [Event("a", 1.0, 3.0, pytest.approx(0.525))]), ([], [])]
    assert events.end(7.0) == ([], [Event("b", 3.0, 7.0, pytest.approx(0.555))])
    assert events.end(8.0) == ([], [])


def test_each_class_goes_by_thresholds_of_its_own_and_several_may_last() -> None:
    events = Hysteresis(("a", "b", "c"), enter=[0.9, 0.2, 0.5], leave=[0.5, 0.1, 0.5])
    started, ended = events(0.0, np.array([0.8, 0.3, 0.5]))
    assert ([event.class_name for event in started], ended) == (["b", "c"], [])
    started, ended = events(1.0, np.array([0.95, 0.1, 0.49]))
    assert ([event.class_name for event in started], [event.class_name for event in ended]) == (["a"], ["c"])


def test_what_ends_before_it_is_long_enough_is_never_told() -> None:
    events = Hysteresis(("a",), 0.6, 0.4, shortest=2.0)
    assert [events(t, np.array([s])) for t, s in [(0.0, 1.0), (1.9, 0.0)]] == [([], []), ([], [])]
    assert events(3.0, np.array([1.0])) == ([], [])
    assert events(5.0, np.array([1.0])) == ([Event("a", 3.0, None, 1.0)], [])
    assert events(6.0, np.array([0.0])) == ([], [Event("a", 3.0, 6.0, 1.0)])
    events(7.0, np.array([1.0]))
    assert events.end(9.0) == ([Event("a", 7.0, None, 1.0)], [Event("a", 7.0, 9.0, 1.0)])


@pytest.mark.parametrize(("enter", "leave"), [(0.4, 0.6), (1.1, 0.5), (0.5, 0.0), (math.nan, 0.5)])
def test_impossible_thresholds_are_refused(enter: float, leave: float) -> None:
    with pytest.raises(ValueError, match="expected 0 < leave <= enter <= 1"):
        Hysteresis(("a",), enter, leave)


def test_impossible_times_are_refused() -> None:
    with pytest.raises(ValueError, match="smoothing is -1 seconds"):
        Smoothing(-1)
    with pytest.raises(ValueError, match="shortest event is inf seconds"):
        Hysteresis(("a",), 0.5, 0.5, math.inf)
