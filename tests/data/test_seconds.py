"""Spans in seconds: from a table's columns to the frames on screen, by the file's own time stamps."""

import logging
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from video_adapters.data.annotations import END, Video, Videos, VideoTable
from video_adapters.data.annotations.held_out import held_out, held_out_files
from video_adapters.data.annotations.seconds import as_seconds
from video_adapters.data.video.frame_source import DecodeError
from video_adapters.data.video.probe_video import probe_video
from video_adapters.data.video.reader import open_video

from helpers.videos import frame_number, numbered_frames, write_video

SPANS = [Video("a", 0), Video("a", 1, 3, 7), Video("b", -1, 0.25, 1e6 + 1 / 3, True), Video("c", 0, 2.5, END, True)]


def write_table(folder: Path, text: str) -> VideoTable:
    (folder / "videos.csv").write_text(text)
    return VideoTable(str(folder), whole_files=True)


def frames_of(video: Video) -> list[int]:
    with open_video(video) as span:
        return [frame_number(picture) for picture in span.read(range(span.num_frames))]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (3, 3),
        (0.5, 0.5),
        (" 12.5 ", 12.5),
        ("12,5", 12.5),
        ("8:3.2", 483.2),
        ("1:59:07", 7147),
        ("1e1", 10),
        (".5", 0.5),
    ],
)
def test_times_are_read_as_people_write_them(value: object, seconds: float) -> None:
    assert as_seconds(value) == pytest.approx(seconds, abs=1e-9)


@pytest.mark.parametrize(
    "value", ["", "soon", "-1", -1, float("nan"), float("inf"), "1e999", "1:2:3:4", "1.234,5", True, None]
)
def test_what_is_no_time_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="is no time: expected seconds from 0, such as"):
        as_seconds(value)


def test_frames_stay_whole_numbers_beside_seconds() -> None:
    videos = Videos(SPANS)
    assert list(videos) == SPANS == list(pickle.loads(pickle.dumps(videos)))
    assert [(type(video.start), type(video.stop)) for video in videos] == [(int, int)] * 2 + [(float, float)] * 2
    assert list(videos.select([2, 1])) == [SPANS[2], SPANS[1]]


@pytest.mark.parametrize(("start", "stop"), [(float("nan"), 1), (0, float("nan")), (-0.1, 1), (0, -0.5), (1e300, END)])
def test_seconds_that_no_video_has_are_refused(start: float, stop: float) -> None:
    with pytest.raises(ValueError, match="seconds from 0 to"):
        Videos([Video("a", 0, start, stop, True)])


def test_the_time_stamps_say_which_frames_seconds_are(tmp_path: Path) -> None:
    path = str(write_video(tmp_path / "v.mp4", numbered_frames(8), times=[0, 100, 200, 900, 1000, 1100, 1200, 2000]))
    assert frames_of(Video(path, 0, 0.15, 1.0, True)) == [1, 2, 3]  # frame 1 is seen until 0.2 s
    assert frames_of(Video(path, 0, 0.3, 0.8, True)) == [2]
    assert frames_of(Video(path, 0, 1.2, END, True)) == [6, 7]
    assert frames_of(Video(path, 0, 1.2, 99, True)) == [6, 7]
    with open_video(Video(path, 0, 0.9, 1.2, True)) as span:
        assert span.times == pytest.approx([0, 0.1, 0.2])
    for late in (Video(path, 0, 2.2, END, True), Video(path, 0, 2.2, 3, True)):
        with (
            pytest.raises(DecodeError, match=r"is 2\.100 s long, nothing of 2\.2 (on|to 3 s) that its"),
            open_video(late),
        ):
            pass
    assert probe_video(Video(path, 0, 2.2, 3, True)).status == "broken"
    assert probe_video(Video(path, 0, 2.05, 3, True)).status == "ok"


def test_a_folder_of_images_has_no_seconds(tmp_path: Path) -> None:
    from PIL import Image

    for number, picture in enumerate(numbered_frames(3)):
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    with pytest.raises(DecodeError, match="has to name frames"), open_video(Video(str(tmp_path), 0, 0.0, 0.1, True)):
        pass
    assert probe_video(Video(str(tmp_path), 0, 0.0, 0.1, True)).status == "broken"


@pytest.mark.parametrize(
    "header", ["start_s,stop_s", "Start_Seconds,End_Sec", "start s,stop sec", "start_sec,end_seconds"]
)
def test_a_column_that_ends_in_seconds_is_in_seconds(header: str, tmp_path: Path) -> None:
    table = write_table(tmp_path, f"path,label,split,{header}\na.mp4,run,train,1.5,2:03\na.mp4,sit,train,,\n")
    assert [video[2:] for video in table.videos("train")] == [(1.5, 123.0, True), (0.0, -1.0, True)]


def test_a_table_has_frames_or_seconds(tmp_path: Path) -> None:
    for header in ("start,stop_s", "start_s,start_sec"):
        with pytest.raises(
            ValueError, match=r"has the columns start.*: give start and stop \(frames\), or start_s and"
        ):
            write_table(tmp_path, f"path,label,{header}\na.mp4,run,1,2\nb.mp4,run,1,2\n").videos("train")
    with pytest.raises(ValueError, match=r"line 2: there are no seconds from 2\.0 up to 2\.0"):
        write_table(tmp_path, "path,label,start_s,stop_s\na.mp4,run,2,2\nb.mp4,run,1,2\n").videos("train")
    with pytest.raises(ValueError, match=r"line 3: start and stop must be seconds: 'later' is no time"):
        write_table(tmp_path, "path,label,start_s\na.mp4,run,2\nb.mp4,run,later\n").videos("train")


def test_a_column_that_only_looks_like_a_span_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        write_table(tmp_path, "path,label,start_time,end\na.mp4,run,1,2\nb.mp4,run,1,2\n").videos("train")
    assert "no span is read of start_time, end: a span's columns are start and stop (frames)" in caplog.text


# Spans of one file


def test_spans_of_one_file_are_on_one_side_of_the_split(tmp_path: Path) -> None:
    rows = [f"{file}.mp4,{'run' if span % 2 else 'sit'},{span},{span + 1}" for file in range(10) for span in range(4)]
    table = write_table(tmp_path, "\n".join(["path,label,start_s,stop_s", *rows]))
    train, val = ({os.path.basename(video.path) for video in table.videos(split)} for split in ("train", "val"))
    assert (len(train), len(val), train & val) == (8, 2, set())
    assert table.groups("val") == tuple(os.path.basename(video.path) for video in table.videos("val"))
    apart = VideoTable(str(tmp_path))
    assert len({video.path for video in apart.videos("train")}) == 10
    assert apart.groups("train") is None


def test_files_of_one_span_are_set_aside_as_ever() -> None:
    labels = np.arange(40) % 3
    aside = held_out_files(labels, 0.2, [str(number) for number in range(40)])
    np.testing.assert_array_equal(aside, held_out(labels, 0.2))


def test_a_rare_class_is_in_both_parts_and_none_is_lost_to_training() -> None:
    files = [str(number // 4) for number in range(80)]
    labels = np.zeros(80, int)
    labels[[3, 7]] = 1  # in two files
    labels[79] = 2  # in one
    for share in (0.2, 0.5, 0.8):
        aside = held_out_files(labels, share, files)
        assert {*labels[aside]} >= {0, 1}
        assert {*labels[~aside]} == {0, 1, 2}
        assert len({*np.array(files)[aside]} & {*np.array(files)[~aside]}) == 0
