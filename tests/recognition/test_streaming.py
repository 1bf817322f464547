"""Streams from source to events: against files read at leisure, and through cuts, faults and slow recognition."""

import itertools
import math
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from video_adapters.data.annotations import Video
from video_adapters.data.clips.sample import Segments, Strided
from video_adapters.data.video.reader import open_video
from video_adapters.recognition import Recognizer
from video_adapters.recognition.live_reader import Backoff, Pace
from video_adapters.recognition.live_scores import WindowScores
from video_adapters.recognition.recording import Recording
from video_adapters.recognition.ring_buffer import Frame, Window
from video_adapters.recognition.streaming import StreamSettings, plan

from helpers.colours import coloured
from helpers.servers import endless, serving
from helpers.videos import numbered_frames, write_video

SETTINGS: dict[str, Any] = {"window": 0.4, "stride": 0.1, "smoothing": 0.0, "shortest": 0.0, "enter": 0.5, "leave": 0.4}


def test_windows_follow_from_the_sampling_as_it_was_in_training() -> None:
    ours = plan(Strided(num_frames=8, stride=15), StreamSettings())
    assert (ours.window, ours.period, ours.stride) == (4.0, 0.5, 2)
    assert "8 frames x 15 apart at 30 a second" in str(ours)
    assert plan(Segments(num_frames=8), StreamSettings()).window == 4.0
    given = plan(Segments(num_frames=8), StreamSettings(window=2.0, stride=0.6))
    assert (given.period, given.stride, given.smoothing) == (0.25, 2, 0.5)
    assert plan(Segments(num_frames=8), StreamSettings(window=2.0, stride=0.01)).stride == 1


@pytest.mark.parametrize("name", ["window", "stride", "fps", "timeout", "give_up"])
def test_times_that_are_none_are_refused(name: str) -> None:
    for value in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match=f"the stream's {name} is"):
            StreamSettings(**{name: value})


def test_windows_have_an_end_and_waiting_need_not() -> None:
    for name in ("window", "stride", "fps"):
        with pytest.raises(ValueError, match=f"the stream's {name} is inf"):
            StreamSettings(**{name: math.inf})
    assert StreamSettings(give_up=math.inf).give_up == math.inf


def test_waits_double_up_to_a_bound_and_end_when_it_is_given_up() -> None:
    backoff = Backoff(give_up=100.0, first=1.0, most=8.0)
    backoff.success(0.0)
    waits = [backoff(now) or 0.0 for now in range(6)]
    for wait, most in zip(waits, [1, 2, 4, 8, 8, 8], strict=True):
        assert most / 2 <= wait <= most
    assert (backoff(99.5) or 0.0) <= 0.5
    assert backoff(100.0) is None
    backoff.success(100.0)
    assert (backoff(100.0) or 9.0) <= 1.0


def test_frames_that_come_at_once_are_shown_by_their_stamps() -> None:
    pace = Pace()
    assert [pace(stamp, 50.0) for stamp in (7.0, 7.5, 9.0)] == [0.0, 0.5, 2.0]
    assert pace(9.5, 52.1) == pytest.approx(0.4)
    assert pace(10.0, 60.0) == 0.0  # late by more than a second: no longer hurried
    assert pace(10.5, 60.0) == 0.5
    assert [pace(3.0, 60.0), pace(3.25, 60.0), pace(500.0, 60.0)] == [0.0, 0.25, 0.0]


def window(part: int, first: int, crops: torch.Tensor) -> Window:
    frames = tuple(Frame(first + i, 0.0, 0.0, crop) for i, crop in enumerate(crops))
    return Window(part, 0.0, 1.0, frames)


@pytest.mark.slow
@pytest.mark.parametrize("crops", [1, 3])
@pytest.mark.parametrize("adapter", ["frozen", "spatial", "lora", "adaptformer"])
def test_a_frame_is_computed_once_where_nothing_crosses_time(
    adapter: str, crops: int, shapes: list[str], tmp_path: Path
) -> None:
    """The scores are those of whole windows but for rounding: other batches are summed in another order."""
    from video_adapters.model.build import build_classifier

    from helpers.networks import randomise
    from helpers.toy import composed

    classifier = build_classifier(composed(*shapes, f"adapter={adapter}"))
    randomise(classifier.backbone)
    recognizer = made(classifier, 8, image_size=classifier.backbone.encoder.image_size[0])
    size = recognizer.transform.image_size
    stream = torch.randint(0, 256, (14, crops, 1, 3, size, size), dtype=torch.uint8)
    shared, whole = WindowScores(recognizer), WindowScores(recognizer, shared=False)
    assert shared.shared
    for first in range(0, 8, 2):
        one = window(0, first, stream[first : first + 8])
        np.testing.assert_allclose(shared(one), whole(one), atol=1e-5)
    assert (shared.num_computed, whole.num_computed) == (8 + 3 * 2, 4 * 8)
    one = window(1, 0, stream[6:])  # behind a break numbers begin anew
    np.testing.assert_allclose(shared(one), whole(one), atol=1e-5)
    assert len(shared._features) == 8


def made(classifier: Any, num_frames: int, image_size: int) -> Recognizer:
    from video_adapters.data.views import Views

    return Recognizer(
        classifier, [str(i) for i in range(12)], sampling=Segments(num_frames=num_frames), views=Views(),
        image_size=image_size, device=torch.device("cpu"),
    )  # fmt: skip


def test_a_file_in_real_time_gives_its_events_and_the_windows_of_reading_at_leisure(
    recognizer: Recognizer, tmp_path: Path
) -> None:
    path = coloured(tmp_path / "a.mp4", [("red", 18), ("green", 18)])  # 0.6 s each
    began = time.monotonic()
    with recognizer.stream(path, **SETTINGS) as stream:
        updates = list(stream)
    assert time.monotonic() - began > 1.1
    windows = [update for update in updates if update.probabilities is not None]
    np.testing.assert_allclose([w.start for w in windows], np.arange(len(windows)) * 0.1, atol=1e-9)
    assert len(windows) + stream.status.skipped == 9
    first = recognizer.timeline(path, 0.4, 0.1).probabilities[0]
    np.testing.assert_allclose(windows[0].probabilities, first, atol=1e-6)
    ended = [event for update in updates for event in update.ended]
    assert [event.class_name for event in ended] == ["red", "green"]
    assert ended[0].start == 0.0
    assert ended[0].end == pytest.approx(0.6, abs=0.11)
    assert ended[1].end == pytest.approx(1.2, abs=0.01)
    assert stream.status.corrupt == stream.status.reconnects == 0


@pytest.mark.slow
def test_slow_recognition_skips_windows_and_says_so(recognizer: Recognizer, tmp_path: Path) -> None:
    path = coloured(tmp_path / "a.mp4", [("red", 36)])
    with recognizer.stream(path, **SETTINGS) as stream:
        for _ in stream:
            time.sleep(0.35)
    status = stream.status
    assert status.skipped >= 3
    assert status.windows + status.skipped == 9
    assert "skipped" in str(status)


@pytest.mark.slow
def test_a_cut_ends_events_and_the_stream_goes_on_where_it_is_back(recognizer: Recognizer, tmp_path: Path) -> None:
    data = coloured(tmp_path / "a.ts", [("red", 18)]).read_bytes()
    notes: list[str] = []
    with serving({"/live": endless(data)}) as address:
        source = f"{address.replace('//', '//me:geheim@')}/live?token=geheim"
        # all comes at once, so that few windows are seen; the clock goes on with the real one behind a cut
        stream = recognizer.stream(source, note=notes.append, **SETTINGS | {"give_up": 20.0})
        with stream:
            breaks = itertools.islice((update for update in stream if update.probabilities is None), 2)
            updates = list(breaks)
    assert [[event.class_name for event in update.ended] for update in updates] == [["red"], ["red"]]
    assert updates[0].end < updates[1].end
    assert any("lost: it ended; trying again in 0." in note for note in notes)
    assert not [note for note in notes if "geheim" in note]


@pytest.mark.slow
def test_a_source_that_is_not_there_is_given_up(recognizer: Recognizer) -> None:
    notes: list[str] = []
    stream = recognizer.stream("http://127.0.0.1:9/x", note=notes.append, give_up=0.4)
    with (
        stream,
        pytest.raises(ValueError, match=r"http://127.0.0.1:9/x: .*refused; given up after 0.4 s without a frame"),
    ):
        list(stream)
    assert notes[0].startswith("not there: Connection refused; trying again in 0.")


@pytest.mark.slow
def test_frames_of_any_size_are_cropped_and_what_is_held_is_bounded(recognizer: Recognizer, tmp_path: Path) -> None:
    sizes = [(48, 64), (64, 48), (16, 400), (120, 120)]
    parts = [write_video(tmp_path / f"{h}.ts", numbered_frames(12, h, w)).read_bytes() for h, w in sizes]
    with serving({"/live": endless(*parts)}) as address:
        stream = recognizer.stream(f"{address}/live", **SETTINGS)
        with stream:
            for update in itertools.islice(stream, 4):
                assert update.end >= update.start
                assert len(stream._ring._frames) <= 4
    assert stream.status.frames > 12
    assert stream.status.corrupt == 0


def test_stopping_ends_what_lasts(recognizer: Recognizer, tmp_path: Path) -> None:
    path = coloured(tmp_path / "a.mp4", [("red", 60)])
    with recognizer.stream(path, **SETTINGS) as stream:
        update = next(iter(stream))
        last = stream.end()
    assert [event.class_name for event in update.started] == ["red"]
    assert last is not None
    assert [(event.class_name, event.end) for event in last.ended] == [("red", update.end)]
    assert stream.end() is None
    assert not [thread for thread in threading.enumerate() if thread.name == "reader of a stream" and thread.is_alive()]


def test_a_recording_has_captions_before_anything_is_recognised(tmp_path: Path) -> None:
    notes: list[str] = []
    with Recording(tmp_path, notes.append) as recording:
        for i in range(3):
            recording.look(i / 10, np.zeros((40, 40, 3), np.uint8))
    assert notes == []
    (path,) = tmp_path.glob("live_*.mp4")
    with open_video(Video(str(path), 0)) as video:
        assert video.num_frames == 3


def test_what_was_recorded_before_an_error_can_be_played_and_nothing_waits(tmp_path: Path) -> None:
    notes: list[str] = []
    with Recording(tmp_path, notes.append) as recording:
        for i in range(3):
            recording.look(i / 10, np.zeros((40, 40, 3), np.uint8))
        recording.look(0.3, "no picture")
        deadline = time.monotonic() + 10
        while not notes and time.monotonic() < deadline:
            time.sleep(0.01)
        for i in range(4, 40):
            recording.look(i / 10, np.zeros((40, 40, 3), np.uint8))
    assert notes[0].startswith("nothing is recorded any more: ")
    (path,) = tmp_path.glob("live_*.mp4")
    with open_video(Video(str(path), 0)) as video:
        assert video.num_frames >= 1
