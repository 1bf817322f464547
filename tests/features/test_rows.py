"""Rows of a store: what makes another one, and an index that survives being cut off."""

import os
from pathlib import Path

import pytest

from video_adapters.data.annotations import Video, Videos
from video_adapters.features.rows import Row, allot, rows_of, state_of


def row(number: int) -> Row:
    return Row(f"clap/{number}.mp4", 0, -1, (100, 5), None)


def test_rows_keep_their_numbers_and_new_ones_follow_in_order(tmp_path: Path) -> None:
    index = tmp_path / "index"
    assert allot(index, [row(0), row(1)])[0].tolist() == [0, 1]
    numbers, total = allot(index, [row(2), row(1), row(2), row(3)])
    assert numbers.tolist() == [2, 1, 2, 3]
    assert total == 4


def test_a_line_that_a_kill_cut_off_is_written_anew(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    allot(whole, [row(0), row(1), row(2)])
    cut.write_bytes(whole.read_bytes()[:-7])
    assert allot(cut, [row(0), row(1), row(2)])[0].tolist() == [0, 1, 2]
    assert cut.read_bytes() == whole.read_bytes()


def test_a_files_size_or_date_makes_another_row(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"1234")
    os.utime(path, ns=(10, 10))
    before = state_of(str(path))
    os.utime(path, ns=(10, 11))
    assert state_of(str(path)) != before
    path.write_bytes(b"12345")
    os.utime(path, ns=(10, 10))
    assert state_of(str(path)) != before


def test_a_folder_changes_with_each_of_its_frames(tmp_path: Path) -> None:
    for name in ("1.png", "2.png"):
        (tmp_path / name).write_bytes(b"12")
        os.utime(tmp_path / name, ns=(5, 5))
    assert state_of(str(tmp_path)) == (2, 4, 5)
    os.utime(tmp_path / "1.png", ns=(6, 6))
    assert state_of(str(tmp_path)) == (2, 4, 6)


def test_a_missing_file_has_a_row_too(tmp_path: Path) -> None:
    assert state_of(str(tmp_path / "gone.mp4")) == (-1,)


@pytest.mark.parametrize(
    "other",
    [
        Video("/b/x.mp4", 0, 3, 9),
        Video("/a/y.mp4", 0, 3, 9),
        Video("/a/x.mp4", 0, 2, 9),
        Video("/a/x.mp4", 0, 3, 9, True),
    ],
)
def test_path_and_span_make_a_row(other: Video) -> None:
    first, second = rows_of(Videos([Video("/a/x.mp4", 0, 3, 9), other]), "/a", None)
    assert first.path == "x.mp4"
    assert first.line() != second.line()


def test_rows_of_frames_stand_in_the_index_as_they_always_did() -> None:
    (frames,) = rows_of(Videos([Video("/a/x.mp4", 0, 3, 9)]), "/a", None)
    assert frames.line() == b'["x.mp4",3,9,[-1],null]'
    (seconds,) = rows_of(Videos([Video("/a/x.mp4", 0, 3, 9.5, True)]), "/a", None)
    assert seconds.line() == b'["x.mp4",3.0,9.5,[-1],null,true]'


def test_each_draw_of_a_video_is_a_row_that_knows_the_videos_number(tmp_path: Path) -> None:
    rows = rows_of(Videos([Video("/a/x.mp4", 0), Video("/a/y.mp4", 0)]), "/a", 2)
    assert [one.draw for one in rows] == [(0, 0), (1, 0), (0, 1), (1, 1)]


def test_names_of_any_bytes_are_rows(tmp_path: Path) -> None:
    names = [os.fsdecode(b"\xff\n\r.mp4"), "ü.mp4"]
    index = tmp_path / "index"
    numbers, total = allot(index, [Row(name, 0, -1, (1, 1), None) for name in names])
    assert (numbers.tolist(), total, index.read_bytes().count(b"\n")) == ([0, 1], 2, 2)
