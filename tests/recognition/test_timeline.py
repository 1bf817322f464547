"""Windows in seconds, by the frames' own times, and what they come down to."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from video_adapters.data.annotations import UNLABELLED, Video
from video_adapters.data.clips.sample import Sampling, Segments, Strided
from video_adapters.data.clips.transform import TestTransform
from video_adapters.data.dataset import read_views
from video_adapters.data.video.reader import open_video
from video_adapters.recognition import Recognizer, Timeline
from video_adapters.recognition.timeline import Window, cut, seconds, window_views

from helpers.colours import coloured
from helpers.videos import numbered_frames, write_video


def test_windows_slide_from_the_start_to_the_end() -> None:
    times = np.arange(100) / 10  # 10 s
    windows = cut(times, 10.0, length=4, stride=3)
    assert windows == [
        Window(0, 4, range(40)),
        Window(3, 7, range(30, 70)),
        Window(6, 10, range(60, 100)),
    ]


def test_a_rest_gets_a_window_that_ends_with_the_video() -> None:
    windows = cut(np.arange(105) / 10, 10.5, length=2, stride=1)
    assert [w.start for w in windows] == [*range(9), 8.5]
    assert windows[-1] == Window(8.5, 10.5, range(85, 105))


def test_a_video_shorter_than_a_window_is_one_window() -> None:
    assert cut(np.arange(5) / 10, 0.5, length=2, stride=1) == [Window(0, 0.5, range(5))]


def test_a_frame_is_on_screen_until_the_next_one_comes() -> None:
    times = np.array([0, 0.5, 5, 5.5])  # nothing changes for 4.5 seconds
    assert [w.frames for w in cut(times, 6.0, length=1, stride=1)] == [
        range(2), range(1, 2), range(1, 2), range(1, 2), range(1, 2), range(2, 4)
    ]  # fmt: skip


@pytest.mark.parametrize(("length", "stride"), [(0, 1), (-1, 1), (1, 0), (1, float("nan")), (float("inf"), 1)])
def test_impossible_windows_are_refused(length: float, stride: float) -> None:
    with pytest.raises(ValueError, match=r"seconds, expected at least 0\.001"):
        cut(np.arange(5) / 10, 0.5, length, stride)


def test_folders_of_images_are_shown_at_the_rate_that_is_said(tmp_path: Path) -> None:
    for number, frame in enumerate(numbered_frames(6)):
        Image.fromarray(frame).save(tmp_path / f"{number}.png")
    with open_video(Video(str(tmp_path), UNLABELLED)) as span:
        times, end = seconds(span, fps=2)
        assert times.tolist() == [0, 0.5, 1, 1.5, 2, 2.5]
        assert end == 3
        with pytest.raises(ValueError, match="fps is 0, expected"):
            seconds(span, fps=0)


@pytest.mark.parametrize("sampling", [Segments(num_frames=4), Strided(num_frames=4, stride=3)])
def test_windows_are_seen_as_videos_of_their_frames_would_be(sampling: Sampling, tmp_path: Path) -> None:
    path = str(write_video(tmp_path / "v.mp4", numbered_frames(40), options={"g": "12", "bf": "2"}))
    transform = TestTransform(32, resize=36, crops=3)
    windows = [range(0, 20), range(5, 25), range(12, 13), range(30, 40)]
    num_clips = 1 if isinstance(sampling, Segments) else 2
    with open_video(Video(path, UNLABELLED)) as span:
        seen = list(window_views(span, windows, sampling, transform, num_clips))
    for window, views in zip(windows, seen, strict=True):
        with open_video(Video(path, UNLABELLED, window.start, window.stop)) as span:
            expected = read_views(span, sampling, transform, num_clips)
        np.testing.assert_array_equal(views, expected)


def test_the_timeline_names_what_is_shown_in_order(recognizer: Recognizer, tmp_path: Path) -> None:
    video = coloured(tmp_path / "v.mp4", [("red", 60), ("blue", 90), ("green", 30)])  # until 2, 5 and 6 s
    steps: list[int] = []

    def track(windows, total):  # type: ignore[no-untyped-def]
        steps.append(total)
        return windows

    timeline = recognizer.timeline(video, window=1, stride=0.5, track=track)
    assert steps == [11]
    assert [run.class_name for run in timeline.runs()] == ["red", "blue", "green"]
    for run, (start, end) in zip(timeline.runs(), [(0, 2), (2, 5), (5, 6)], strict=True):
        assert run.start == pytest.approx(start, abs=0.3)  # half a stride, and the frame that a window half sees
        assert run.end == pytest.approx(end, abs=0.3)
        assert run.probability > 0.8
    assert [timeline.at(time)[0] for time in (0, 1, 3, 4.5, 5.6, 99)] == [
        "red",
        "red",
        "blue",
        "blue",
        "green",
        "green",
    ]


def test_seconds_are_those_of_a_variable_rate(recognizer: Recognizer, tmp_path: Path) -> None:
    times = [*range(0, 1000, 100), *range(1000, 4000, 500)]  # ten red frames in 1 s, then six blue ones in 3 s
    video = coloured(tmp_path / "v.mkv", [("red", 10), ("blue", 6)], times)
    timeline = recognizer.timeline(video, window=1, stride=1)
    assert [(w.start, w.frames) for w in timeline.windows][:2] == [(0, range(10)), (1, range(10, 12))]
    assert [run.class_name for run in timeline.runs()] == ["red", "blue"]
    assert timeline.runs()[0].end == 1


def test_runs_divide_the_time_among_overlapping_windows() -> None:
    windows = tuple(Window(start, start + 2, range(1)) for start in (0.0, 1.0, 2.0, 3.0))
    chances = np.array([[0.75, 0.25], [0.25, 0.75], [0, 1], [1, 0]], np.float32)
    runs = Timeline(("a", "b"), windows, chances).runs()
    assert [(r.start, r.end, r.class_name, r.probability, r.windows) for r in runs] == [
        (0, 1.5, "a", 0.75, range(1)),
        (1.5, 3.5, "b", 0.875, range(1, 3)),
        (3.5, 5, "a", 1, range(3, 4)),
    ]


def test_what_no_window_has_seen_is_in_no_run() -> None:
    windows = (Window(0, 1, range(1)), Window(10, 11, range(1)))
    runs = Timeline(("a", "b"), windows, np.eye(2, dtype=np.float32)).runs()
    assert [(run.start, run.end) for run in runs] == [(0, 1), (10, 11)]
