"""Files that are written whole or not at all, and locks."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from video_adapters.commands.atomic import put, remove_parts, replacing, write_text
from video_adapters.commands.lock import Busy, alone, is_held


def test_what_is_interrupted_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "before")

    def interrupted(part: Path) -> None:
        part.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), replacing(path) as part:
        interrupted(part)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_written_is_on_disk_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda _: steps.append("fsync"))
    monkeypatch.setattr(os, "replace", lambda *_: steps.append("replace"))
    write_text(tmp_path / "a.txt", "text")
    (tmp_path / "folder").mkdir()
    put(tmp_path / "folder", tmp_path / "other")
    assert steps == ["fsync", "replace"] * 2


def test_a_link_in_the_place_of_an_unfinished_file_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("as it was")
    with replacing(tmp_path / "a.txt") as part:
        part.touch()
    part.symlink_to(victim)
    write_text(tmp_path / "a.txt", "text")
    assert victim.read_text() == "as it was"
    assert not (tmp_path / "a.txt").is_symlink()


@pytest.mark.parametrize("links", [True, False])
def test_another_file_is_not_written_over(links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: Path) -> None:
        raise PermissionError

    if not links:
        monkeypatch.setattr(os, "link", link)
    for expected in ("first", "second"):
        try:
            with replacing(tmp_path / "a.txt", over=False) as part:
                part.write_text(expected)
        except FileExistsError:
            assert expected == "second"
    assert (tmp_path / "a.txt").read_text() == "first"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_pipe_is_written_to_itself(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_text(pipe, "text")
    reader.join()
    assert read == ["text"]
    assert pipe.is_fifo()


def test_names_as_long_as_names_may_be_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("é" * 120 + ".mp4.json.abcde")
    write_text(path, "text")
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_what_others_left_half_written_is_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (".a.txt.elsewhere.1.part", "a.part", ".hidden"):
        (tmp_path / name).touch()
    remove_parts(tmp_path, tmp_path / "not there")
    assert {one.name for one in tmp_path.iterdir()} == {"a.part", ".hidden"}


def test_a_process_does_not_take_or_lose_what_it_holds_already(tmp_path: Path) -> None:
    path = tmp_path / "deep" / ".lock"
    with alone(path) as locked:
        assert locked
        assert is_held(path)
        with pytest.raises(Busy, match=r"^taken$"), alone(path, "taken"):
            raise AssertionError("two at once")
        asked = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'a'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        assert subprocess.run([sys.executable, "-c", asked, str(path)], stderr=subprocess.DEVNULL).returncode
    assert not is_held(path)


def test_where_there_are_no_locks_one_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def lockf(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.lockf", lockf)
    with alone(tmp_path / ".lock") as locked:
        assert not locked
    assert "no locks here (No locks available): see to it that only one writes there" in caplog.text
