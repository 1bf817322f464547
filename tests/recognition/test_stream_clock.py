"""Times of a stream through everything that stamps can do, and the moments that are looked at."""

import pytest

from video_adapters.recognition.stream_clock import JUMP, Beat, Moment, StreamClock


def test_time_goes_by_the_stamps_from_the_first_one_on() -> None:
    clock = StreamClock()
    assert [clock(stamp, arrival) for stamp, arrival in [(700.0, 5.0), (700.5, 5.1), (708.5, 5.2)]] == [
        Moment(0.0, False),
        Moment(0.5, False),
        Moment(8.5, False),  # a segment that was handed over at once
    ]


@pytest.mark.parametrize("stamp", [3.0, 100.0 + JUMP + 2.1])
def test_stamps_that_jump_or_restart_are_a_break_across_which_real_time_goes_on(stamp: float) -> None:
    clock = StreamClock()
    clock(100.0, 1.0)
    assert clock(stamp, 3.0) == Moment(2.0, True)
    assert clock(stamp + 0.5, 3.1) == Moment(2.5, False)


def test_a_stream_of_one_frame_a_minute_has_no_breaks() -> None:
    clock = StreamClock()
    assert [clock(60.0 * i, 60.0 * i + 3) for i in range(3)] == [Moment(60.0 * i, False) for i in range(3)]


def test_a_cut_is_a_break_whatever_the_stamps_say() -> None:
    clock = StreamClock()
    clock.cut()  # before there was anything
    assert clock(9.0, 1.0) == Moment(0.0, False)
    clock.cut()
    assert clock(9.5, 4.0) == Moment(3.0, True)


def test_frames_without_stamps_are_shown_when_they_come_and_the_same_stamp_again_is_nothing_new() -> None:
    clock = StreamClock()
    assert [clock(None, 1.0), clock(None, 1.5)] == [Moment(0.0, False), Moment(0.5, False)]
    assert clock(7.0, 2.0) == Moment(1.0, False)
    assert clock(7.0, 2.1) is None


def test_moments_lie_amid_the_periods_and_go_to_the_next_frame() -> None:
    beat = Beat(period=1.0, longest_gap=4.0)
    times = [0.0, 0.4, 0.5, 0.9, 1.6, 1.7, 4.6]
    assert [beat(Moment(time, False)) for time in times] == [
        (range(0), False),
        (range(0), False),
        (range(0, 1), False),
        (range(1, 1), False),
        (range(1, 2), False),
        (range(2, 2), False),
        (range(2, 5), False),  # it stands for 2.5, 3.5 and 4.5
    ]


def test_after_a_break_or_a_gap_moments_are_counted_anew() -> None:
    beat = Beat(period=1.0, longest_gap=4.0)
    beat(Moment(2.0, False))
    assert (beat.start, beat(Moment(3.0, False))) == (2.0, (range(0, 1), False))
    assert (beat(Moment(3.5, True)), beat.start) == ((range(0), True), 3.5)
    assert (beat(Moment(8.0, False)), beat.start, beat.num_gaps) == ((range(0), True), 8.0, 1)
    assert beat(Moment(8.5, False)) == (range(0, 1), False)
