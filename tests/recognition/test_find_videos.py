"""Which videos the names on a command line mean."""

from pathlib import Path

import pytest

from video_adapters.recognition.find_videos import Unread, find_videos


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
    assert find_videos(names) == names


def test_folders_stand_for_the_videos_in_them_and_below(folder: Path) -> None:
    assert find_videos(["."]) == [
        "./-dash.mkv", "./B.WEBM", "./a.mp4", "./odd[1].mp4", "./ä ö.mov", "./frames", "./sub/c.avi",
        "./sub/deep/frames",
    ]  # fmt: skip


def test_a_folder_of_images_is_a_video(folder: Path) -> None:
    assert find_videos(["frames", "sub/deep/"]) == ["frames", "sub/deep/frames"]


def test_patterns_that_the_shell_left_are_expanded(folder: Path) -> None:
    assert find_videos(["*.mp4"]) == ["a.mp4", "odd[1].mp4"]
    assert find_videos(["**/*.avi", "fr*"]) == ["sub/c.avi", "frames"]


def test_a_video_that_is_named_twice_counts_once(folder: Path) -> None:
    assert find_videos(["a.mp4", "*.mp4", "a.mp4"]) == ["a.mp4", "odd[1].mp4"]


def test_what_is_no_video_is_named_among_the_others(folder: Path) -> None:
    (folder / "broken.mp4").symlink_to("nowhere")
    found = find_videos(["gone.mp4", "*.flv", "empty", "broken.mp4", "a.mp4"])
    assert [video if isinstance(video, str) else (video.path, video.reason.split(";")[0]) for video in found] == [
        ("gone.mp4", "there is no such file or folder"),
        ("*.flv", "no file or folder has such a name"),
        ("empty", "a folder without videos or images"),
        ("broken.mp4", "a broken link"),
        "a.mp4",
    ]


def test_a_mistyped_video_is_met_with_the_nearest(folder: Path) -> None:
    (named,) = find_videos([str(folder / "broken1.mp4")])
    (folder / "broken.mp4").touch()
    (near,) = find_videos([str(folder / "broken1.mp4")])
    assert [one.reason for one in (named, near) if not isinstance(one, str)] == [
        "there is no such file or folder",
        "there is no such file or folder (did you mean broken.mp4?)",
    ]


def test_links_in_circles_end(folder: Path) -> None:
    (folder / "sub" / "deep" / "up").symlink_to(folder / "sub")
    (folder / "sub" / "other").symlink_to(folder / "frames")
    assert find_videos(["sub"]) == ["sub/c.avi", "sub/deep/frames", "sub/other"]


def test_a_link_to_itself_is_named(folder: Path) -> None:
    (folder / "loop.mp4").symlink_to("loop.mp4")
    assert find_videos(["loop.mp4"]) == [Unread("loop.mp4", "a broken link")]
