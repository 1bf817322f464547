"""The ring buffer: which windows come out, and what is counted when nobody takes them."""

import threading

import pytest
import torch

from video_adapters.recognition.ring_buffer import Break, Frame, RingBuffer, Window


def frame(number: int) -> Frame:
    return Frame(number, number / 4, number / 4, torch.zeros(1, 1, 3, 2, 2, dtype=torch.uint8))


def put(ring: RingBuffer, numbers: range) -> None:
    for number in numbers:
        if ring.needs(number):
            ring.put(frame(number), 10.0)


def numbers_of(window: object) -> list[int]:
    assert isinstance(window, Window)
    return [one.number for one in window.frames]


def test_windows_come_every_stride_with_the_time_they_stand_for() -> None:
    ring = RingBuffer(4, 2, 0.25)
    windows = []
    for number in range(9):
        put(ring, range(number, number + 1))
        if number in (3, 5, 7):
            windows.append(ring.take(0))
    assert [numbers_of(window) for window in windows] == [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7]]
    assert [(w.start, w.end) for w in windows if isinstance(w, Window)] == [(10, 11), (10.5, 11.5), (11, 12)]
    with pytest.raises(TimeoutError):
        ring.take(0)
    assert (ring.num_windows, ring.skipped, ring.dropped) == (3, 0, 0)


def test_slow_recognition_gets_the_newest_window_and_the_others_are_counted() -> None:
    ring = RingBuffer(4, 2, 0.25)
    put(ring, range(4))
    assert numbers_of(ring.take(0)) == [0, 1, 2, 3]
    put(ring, range(4, 14))  # windows from 2, 4, 6, 8 and 10 on
    assert numbers_of(ring.take(0)) == [10, 11, 12, 13]
    assert (ring.skipped, ring.dropped) == (4, 6)  # the frames 4 to 9


def test_windows_further_apart_than_they_are_long_leave_frames_out_that_are_not_dropped() -> None:
    ring = RingBuffer(2, 5, 0.25)
    put(ring, range(12))
    assert [number for number in range(12) if ring.needs(number)] == [0, 1, 5, 6, 10, 11]
    assert numbers_of(ring.take(0)) == [10, 11]
    assert (ring.skipped, ring.dropped) == (2, 4)


def test_it_never_holds_more_than_two_clips() -> None:
    ring = RingBuffer(4, 1, 0.25)
    put(ring, range(5000))
    assert len(ring._frames) == 4
    assert ring._ready is not None
    assert len(ring._ready.frames) == 4


def test_no_window_reaches_across_a_break_and_what_was_whole_before_comes_first() -> None:
    ring = RingBuffer(4, 2, 0.25)
    put(ring, range(5))
    ring.restart()
    put(ring, range(3))
    assert numbers_of(ring.take(0)) == [0, 1, 2, 3]
    assert ring.take(0) == Break(0)
    with pytest.raises(TimeoutError):
        ring.take(0)
    put(ring, range(3, 4))
    window = ring.take(0)
    assert numbers_of(window) == [0, 1, 2, 3]
    assert isinstance(window, Window)
    assert (window.part, ring.skipped, ring.dropped) == (1, 0, 0)


def test_a_window_of_before_the_break_gives_way_to_one_behind_it() -> None:
    ring = RingBuffer(2, 1, 0.25)
    put(ring, range(2))
    ring.restart()
    put(ring, range(2))
    assert ring.take(0) == Break(0)
    window = ring.take(0)
    assert isinstance(window, Window)
    assert (window.part, ring.skipped, ring.dropped) == (1, 1, 2)


def test_the_end_wakes_who_waits() -> None:
    ring = RingBuffer(2, 1, 0.25)
    threading.Timer(0.05, ring.close).start()
    assert ring.take(10) is None
