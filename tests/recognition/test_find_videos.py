"""Which videos the names on a command line and in lists mean."""

import io
import os
import sys
from pathlib import Path

import pytest

from video_adapters.recognition.find_videos import Unread, find_videos, in_list
from video_adapters.recognition.listing import Listing


def named(names: list[str]) -> list[str | Unread]:
    return list(Listing(find_videos(names)))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    names = [
        "a.mp4",
        "B.WEBM",
        "-dash.mkv",
        "sub/c.avi",
        "sub/notes.txt",
        ".hidden.mp4",
        "odd[1].mp4",
        "ä ö.mov",
        "none",
    ]
    for name in [*names, "frames/1.jpg", "frames/2.jpg", "sub/deep/frames/1.png", "sub/thumbnail.jpg", "empty/x.txt"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def test_files_are_videos_whatever_their_suffix(folder: Path) -> None:
    names = ["none", "-dash.mkv", "ä ö.mov", "odd[1].mp4", "sub/notes.txt"]
    assert named(names) == names


def test_folders_stand_for_the_videos_in_them_and_below(folder: Path) -> None:
    assert named(["."]) == [
        "./-dash.mkv", "./B.WEBM", "./a.mp4", "./odd[1].mp4", "./ä ö.mov", "./frames", "./sub/c.avi",
        "./sub/deep/frames",
    ]  # fmt: skip


def test_a_folder_of_images_is_a_video(folder: Path) -> None:
    assert named(["frames", "sub/deep/"]) == ["frames", "sub/deep/frames"]


def test_patterns_that_the_shell_left_are_expanded(folder: Path) -> None:
    assert named(["*.mp4"]) == ["a.mp4", "odd[1].mp4"]
    assert named(["**/*.avi", "fr*"]) == ["sub/c.avi", "frames"]


def test_a_video_that_is_named_twice_counts_once(folder: Path) -> None:
    assert named(["a.mp4", "*.mp4", "a.mp4"]) == ["a.mp4", "odd[1].mp4"]


def test_what_is_no_video_is_named_among_the_others(folder: Path) -> None:
    (folder / "broken.mp4").symlink_to("nowhere")
    found = named(["gone.mp4", "*.flv", "empty", "broken.mp4", "a.mp4"])
    assert [video if isinstance(video, str) else (video.path, video.reason.split(";")[0]) for video in found] == [
        ("gone.mp4", "there is no such file or folder"),
        ("*.flv", "no file or folder has such a name"),
        ("empty", "a folder without videos or images"),
        ("broken.mp4", "a broken link"),
        "a.mp4",
    ]


def test_a_mistyped_video_is_met_with_the_nearest(folder: Path) -> None:
    (far,) = named([str(folder / "broken1.mp4")])
    (folder / "broken.mp4").touch()
    (near,) = named([str(folder / "broken1.mp4")])
    assert [one.reason for one in (far, near) if not isinstance(one, str)] == [
        "there is no such file or folder",
        "there is no such file or folder (did you mean broken.mp4?)",
    ]


def test_links_in_circles_end(folder: Path) -> None:
    (folder / "sub" / "deep" / "up").symlink_to(folder / "sub")
    (folder / "sub" / "other").symlink_to(folder / "frames")
    assert named(["sub"]) == ["sub/c.avi", "sub/deep/frames", "sub/other"]


def test_a_link_to_itself_is_named(folder: Path) -> None:
    (folder / "loop.mp4").symlink_to("loop.mp4")
    assert named(["loop.mp4"]) == [Unread("loop.mp4", "a broken link")]


def test_a_list_names_files_and_folders_as_they_are_from_the_working_folder(folder: Path) -> None:
    (folder / "lists").mkdir()
    names = b"\xef\xbb\xbf-dash.mkv\r\n\nodd[1].mp4\nframes\n*.mp4\ncaf\xe9.mp4\nhttp://host/a.mp4\n1.mp4\nsub"
    (folder / "lists" / "a.txt").write_bytes(names)
    (folder / "lists" / "1.mp4").touch()
    (folder / os.fsdecode(b"caf\xe9.mp4")).touch()
    listed = [one if isinstance(one, str) else (one.path, one.reason[:30]) for one in in_list(Path("lists/a.txt"))]
    assert listed == [
        "-dash.mkv", "odd[1].mp4", "frames", ("*.mp4", "there is no such file or folde"), os.fsdecode(b"caf\xe9.mp4"),
        ("http://host/a.mp4", "an address on a network, which"), ("1.mp4", "names are relative to the work"),
        "sub/c.avi", "sub/deep/frames",
    ]  # fmt: skip


def test_a_list_comes_in_by_the_standard_input(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a.mp4\nnone\n")))
    assert list(in_list(Path("-"))) == ["a.mp4", "none"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, r"--list l cannot be read \(No such file"), (b"a.mp4\n\0\0", r"--list l is no text \(line 2\)")],
)
def test_a_list_that_is_none_is_refused(folder: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (folder / "l").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        list(in_list(Path("l")))


def test_addresses_are_sent_to_live_unless_files_are_called_so(folder: Path) -> None:
    (address,) = named(["rtsp://camera/1?a=*"])
    assert isinstance(address, Unread)
    assert "only where --live names it" in address.reason
    (folder / "http:" / "host").mkdir(parents=True)
    (folder / "http:" / "host" / "a.mp4").touch()
    assert named(["http://host/a.mp4"]) == ["http://host/a.mp4"]


def test_names_of_any_bytes_stay_as_they_are_and_in_their_order(folder: Path) -> None:
    names: list[str | Unread] = [f"{number % 7}.mp4" for number in range(100)]
    names[3:3] = [os.fsdecode(b"\xff.mp4"), Unread(os.fsdecode(b"\xfe"), os.fsdecode(b"no \xfe"))]
    listing = Listing(names)
    assert list(listing) == list(dict.fromkeys(names)) == list(listing)
    assert len(listing) == 9
