"""What cannot be written is refused in one sentence before the work, not in a traceback after it."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from video_adapters.commands.errors import UserError, explained
from video_adapters.commands.outputs import check_file, check_folder
from video_adapters.official import import_checkpoint as imports
from video_adapters.official.request import Request as Import
from video_adapters.preparation import check as checks
from video_adapters.preparation import transcode as transcodes
from video_adapters.preparation.source import Source
from video_adapters.recognition import export as exports
from video_adapters.recognition import predict as predictions

from helpers.miniatures import write_class_folders


def below_a_file(folder: Path) -> Path:
    (folder / "file").write_text("kept")
    return folder / "file" / "name"


def in_proc(folder: Path) -> Path:
    return Path("/proc/there/is/no/such/place")


def too_long(folder: Path) -> Path:
    return folder / ("n" * 300)


@pytest.mark.parametrize("place", [below_a_file, in_proc, too_long])
@pytest.mark.parametrize("check", [check_file, check_folder])
def test_a_place_that_cannot_be_written_to_is_named_with_its_option(
    check: Callable[[Path, str], None], place: Callable[[Path], Path], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"^--out .* cannot be written \(.*\): choose another place$"):
        check(place(tmp_path), "--out")


def test_a_file_that_can_be_written_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("kept")
    check_file(tmp_path / "there", "--out")
    check_file(tmp_path / "new" / "file", "--out")
    check_folder(tmp_path / "folder", "--to")
    assert (tmp_path / "there").read_text() == "kept"
    assert list((tmp_path / "new").iterdir()) == list((tmp_path / "folder").iterdir()) == []
    with pytest.raises(ValueError, match="is a folder, expected the name of a file"):
        check_file(tmp_path, "--out")


def test_a_pipe_is_not_opened_before_it_is_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    check_file(tmp_path / "pipe", "--csv")  # to open it would wait for somebody who reads


def nothing(*_: object) -> None:
    raise AssertionError("the work began")


def predicting(folder: Path, **outputs: Path) -> None:
    predictions.predict(predictions.Request(checkpoint=folder / "c.ckpt", videos=[str(folder / "data")], **outputs))


def folders(root: Path) -> Source:
    return Source(data="folders", root=str(write_class_folders(root)), overrides=())


COMMANDS: dict[str, Callable[[Path, Path], object]] = {
    "check": lambda folder, place: checks.check(checks.Check(source=folders(folder / "data"), out=place)),
    "transcode": lambda folder, place: transcodes.transcode(
        transcodes.Transcode(source=folders(folder / "data"), to=place)
    ),
    "predict --csv": lambda folder, place: predicting(folder, csv=place),
    "predict --json": lambda folder, place: predicting(folder, json=place),
    "predict --annotate": lambda folder, place: predicting(folder, annotate=place),
    "export": lambda folder, place: exports.export(
        exports.Request(checkpoint=folder / "c.ckpt", format="torch_export", out=place)
    ),
    "import": lambda folder, place: imports.import_official(Import(checkpoint=folder / "c.pth", out=place)),
    "import --encoder-out": lambda folder, place: imports.import_official(
        Import(checkpoint=folder / "c.pth", out=folder / "aim.ckpt", encoder_out=place)
    ),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_asks_before_its_work(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (checks, "annotations_of"), (transcodes, "estimate_cost"), (predictions.Recognizer, "from_checkpoint"),
        (exports, "load"), (imports, "read_official"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, nothing)
    with pytest.raises(ValueError, match=r"^--.* cannot be written \("):
        COMMANDS[command](tmp_path, below_a_file(tmp_path))


def test_a_full_or_closed_disk_is_one_sentence_and_other_errors_of_the_system_are_bugs() -> None:
    with pytest.raises(UserError, match=r"^No space left on device$"), explained():
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(UserError, match=r"^Permission denied: /videos/x$"), explained():
        raise PermissionError(errno.EACCES, "Permission denied", "/videos/x")
    with pytest.raises(FileNotFoundError), explained():
        raise FileNotFoundError(errno.ENOENT, "No such file", "x")
