"""The command: videos in, tables out; what cannot be read is named, and the rest goes on."""

import csv
import errno
import json
import os
import runpy
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from video_adapters.commands import command
from video_adapters.recognition import Recognizer, results
from video_adapters.recognition import predict as commands
from video_adapters.recognition.journal import Entry, Journal
from video_adapters.recognition.predict import Request, predict

from helpers.colours import coloured
from helpers.rounding import BLOCK, rounding

SCRIPT = Path(__file__).parents[2] / "src" / "predict.py"


@pytest.fixture
def named(recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, where any checkpoint names colours."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Recognizer, "from_checkpoint", lambda *_: recognizer)
    return tmp_path


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_command_recognises_a_trained_checkpoints_videos(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with (trained / "test" / "predictions.csv").open() as file:
        expected = list(csv.DictReader(file))
    folder = Path(os.path.commonpath([row["video"] for row in expected]))
    (tmp_path / "-odd ñame.mp4").write_bytes(Path(expected[0]["video"]).read_bytes())
    (tmp_path / "note.mp4").write_text("no video")
    command = [str(SCRIPT), str(trained / "checkpoints" / "best.ckpt"), str(folder), "note.mp4", "--csv", "out/all.csv"]
    monkeypatch.setattr(sys, "argv", [*command, "--top", "2", "--device", "cpu", "--tables", "--", "-odd ñame.mp4"])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    printed = capsys.readouterr()
    assert end.value.code == 1, printed.err
    assert "1 of 26 could not be read:\n  note.mp4: " in printed.err
    assert "-odd ñame.mp4" in printed.out
    rows = {row["video"]: row for row in table(tmp_path / "out" / "all.csv")}
    assert len(rows) == 26
    assert rows["note.mp4"]["unread"]
    for row in expected:
        mine = rows[row["video"]]
        assert mine["top1"] == row["top1"]
        assert float(mine["probability1"]) == pytest.approx(float(row["probability1"]), abs=1e-6 + rounding(4 * BLOCK))
    assert rows["'-odd ñame.mp4"]["top1"] == expected[0]["top1"]


def test_help_needs_no_torch() -> None:
    code = "import sys; sys.argv = ['predict.py', '--help']; sys.path.insert(0, sys.argv[0])\n"
    code += f"import runpy\ntry: runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
    code += "except SystemExit as end: sys.exit(end.code or 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "--window S" in done.stdout


def test_each_video_gets_its_classes_on_the_terminal_and_in_files(
    named: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    coloured(named / "sky.mp4", [("blue", 8)])
    coloured(named / "grass.mp4", [("green", 8)])
    predict(Request(checkpoint=named / "c", videos=["."], top=2, csv=named / "o.csv", json=named / "o.json"))
    printed = capsys.readouterr().out
    assert printed.index("grass.mp4") < printed.index("green") < printed.index("sky.mp4") < printed.rindex("blue")
    assert [(row["video"], row["top1"]) for row in table(named / "o.csv")] == [
        ("./grass.mp4", "green"), ("./sky.mp4", "blue")
    ]  # fmt: skip
    grass, _ = json.loads((named / "o.json").read_text())
    assert grass["top"][0]["class"] == "green"
    assert len(grass["top"]) == 2


def test_a_timeline_is_written_window_by_window_and_in_short(named: Path, capsys: pytest.CaptureFixture[str]) -> None:
    coloured(named / "long.mp4", [("red", 60), ("blue", 30)])
    predict(
        Request(
            checkpoint=named / "c", videos=["long.mp4"], window=1, csv=named / "o.csv", json=named / "o.json",
            annotate=named / "copies",
        )
    )  # fmt: skip
    rows = table(named / "o.csv")
    assert [row["start"] for row in rows] == ["0.000", "0.500", "1.000", "1.500", "2.000"]  # by half a window
    assert [(row["top1"], row["run"]) for row in rows][::2] == [("red", "1"), ("red", "1"), ("blue", "2")]
    (content,) = json.loads((named / "o.json").read_text())
    assert [run["class"] for run in content["runs"]] == ["red", "blue"]
    assert content["windows"][0]["top"][0]["class"] == "red"
    assert content["annotated"] == str(named / "copies" / "long_annotated.mp4")
    assert (named / "copies" / "long_annotated.mp4").is_file()
    assert "0.00 - 1.00" in capsys.readouterr().out


def test_an_answer_stands_where_its_copy_cannot_be_written(
    named: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "there")

    monkeypatch.setattr("video_adapters.recognition.predict.write_annotated", full)
    coloured(named / "a.mp4", [("red", 4)])
    done = predict(Request(checkpoint=named / "c", videos=["a.mp4"], json=named / "o.json", annotate=named / "copies"))
    assert (done.done, done.unread, done.uncopied) == (1, 0, 1)
    assert "no annotated copy: No space left on device" in capsys.readouterr().out
    assert json.loads((named / "o.json").read_text())[0]["not_annotated"] == "No space left on device: there"


def test_file_names_of_any_bytes_are_printed_and_written(named: Path) -> None:
    name = os.fsdecode(b"caf\xe9.mp4")  # Latin-1
    coloured(named / "plain.mp4", [("red", 4)]).rename(named / name)
    predict(Request(checkpoint=named / "c", videos=[name], csv=named / "o.csv", json=named / "o.json"))
    assert b"caf\xe9.mp4,red" in (named / "o.csv").read_bytes()
    assert json.loads((named / "o.json").read_text())[0]["video"] == name


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"videos": []}, "no video was given"),
        ({"top": 0}, "--top is 0, expected at least 1"),
        ({"stride": 1.0}, "--stride 1.0 was given without --window"),
        ({"window": 0.0}, r"--window is 0.0, expected a number of at least 0\.001"),
        ({"fps": float("nan")}, "--fps is nan"),
        ({"csv": Path("a/../o"), "json": Path("o")}, "--csv and --json both name a/../o: give each a file of its own"),
    ],
)
def test_impossible_requests_are_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Request(**{"checkpoint": Path("c"), "videos": ["v.mp4"], **given})  # type: ignore[arg-type]


def test_a_table_is_not_written_over_a_video(named: Path) -> None:
    video = coloured(named / "v.mp4", [("red", 4)])
    before = video.read_bytes()
    with pytest.raises(ValueError, match=r"--csv .*v\.mp4 is one of the inputs"):
        predict(Request(checkpoint=named / "c", videos=["*.mp4"], csv=video))
    assert video.read_bytes() == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, None], ids=["ctrl-c", "SIGTERM", "a crash"])
@pytest.mark.parametrize("window", [None, 1.0], ids=["whole", "windows"])
def test_what_was_interrupted_goes_on_where_it_was(
    number: signal.Signals | None, window: float | None, named: Path, recognizer: Recognizer,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for name in ("a", "b", "c"):
        coloured(named / f"{name}.mp4", [("red", 60), ("blue", 90)])
    request = Request(
        checkpoint=named / "c", videos=["."], top=2, window=window, csv=named / "o.csv", json=named / "o.json"
    )
    predict(request)
    expected = [(named / name).read_bytes() for name in ("o.csv", "o.json")]
    (named / "o.csv").unlink()
    looked_at: list[int] = []
    probabilities = Recognizer.probabilities
    last = 2 if window is None else 4  # of so many calls; a.mp4 has 9 windows, 3 a call

    def counting(self: Recognizer, clips: torch.Tensor) -> np.ndarray:
        looked_at.append(len(clips))
        if len(looked_at) == last:
            while window is None and len(table(named / "o.csv")) < last - 1:  # which are written meanwhile
                time.sleep(0.01)
            if number is None:
                raise SystemExit(9)  # what is written later than this is lost
            os.kill(os.getpid(), number)
        return probabilities(self, clips)

    monkeypatch.setattr(Recognizer, "probabilities", counting)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(SystemExit) as stop:
        command.run(lambda: predict(request))
    signal.signal(signal.SIGINT, before)
    assert stop.value.code == (9 if number is None else 128 + number)
    if number is not None:
        assert "the same command goes on where it was" in capsys.readouterr().err
    rows = table(named / "o.csv")
    assert len(rows) == (1 if window is None else 9)
    before_it = sum(looked_at[: last - 1])
    last = 0
    looked_at.clear()
    predict(request)
    assert sum(looked_at) == (3 if window is None else 27) - before_it
    assert [(named / name).read_bytes() for name in ("o.csv", "o.json")] == expected
    assert not (named / ".o.csv.progress").exists()


def test_a_video_that_has_changed_is_recognised_again_and_another_request_is_refused(
    named: Path, recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    coloured(named / "a.mp4", [("red", 8)])
    coloured(named / "b.mp4", [("red", 8)])
    request = Request(checkpoint=named / "c", videos=["."], csv=named / "o.csv")
    show = results.show
    monkeypatch.setattr(results, "show", lambda outcome, top: outcome.path == "./b.mp4" and sys.exit(9))
    with pytest.raises(SystemExit):
        predict(request)
    monkeypatch.setattr(results, "show", show)
    with pytest.raises(ValueError, match=r"\.o\.csv\.progress is what an unfinished prediction has found, by another"):
        predict(replace(request, window=1.0))
    coloured(named / "a.mp4", [("blue", 8)])
    predict(request)
    assert [(row["video"], row["top1"]) for row in table(named / "o.csv")] == [("./a.mp4", "blue"), ("./b.mp4", "red")]


@pytest.mark.parametrize(
    "content",
    [b'{"checkpoint": "c"}\n{"video": "a.mp4", "stamp": "1 2", "scores": ""}\n', b"SQLite format 3\0" + b"\xff" * 5000],
    ids=["an earlier version's", "damaged"],
)
def test_a_journal_that_is_none_is_refused_and_left(content: bytes, named: Path) -> None:
    coloured(named / "a.mp4", [("red", 8)])
    journal = named / ".o.csv.progress"
    journal.write_bytes(content)
    with pytest.raises(ValueError, match=r"\.progress cannot be gone on with .*an earlier version's; remove it"):
        predict(Request(checkpoint=named / "c", videos=["a.mp4"], csv=named / "o.csv"))
    assert journal.read_bytes() == content


def test_two_commands_do_not_write_one_table(named: Path) -> None:
    coloured(named / "a.mp4", [("red", 8)])
    request = Request(checkpoint=named / "c", videos=["a.mp4"], csv=named / "o.csv")
    with (
        Journal(named / ".o.csv.progress", commands._unchanged(request), 3),
        pytest.raises(ValueError, match=r"\.progress is in use: another predict"),
    ):
        predict(request)


def test_a_full_disk_is_what_ends_a_batch(tmp_path: Path) -> None:
    """SQLite has then rolled back by itself, and there is nothing to be undone."""
    with Journal(tmp_path / "progress", {}, 2) as journal:
        journal._tables.execute("PRAGMA max_page_count = 8")
        full = pytest.raises(ValueError, match=r"progress cannot be written \(database or disk is full\): make room")
        with full, journal.together():
            journal.add(Entry("a.mp4", "1 2"), np.zeros((50_000, 2), np.float32))
        journal.add(Entry("a.mp4", "1 2"), np.zeros((1, 2), np.float32))


def test_rows_of_a_long_video_are_on_disk_before_it_is_done(named: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    coloured(named / "long.mp4", [("red", 60), ("blue", 90)])
    seen: list[int] = []
    probabilities = Recognizer.probabilities

    def looking(self: Recognizer, clips: torch.Tensor) -> np.ndarray:
        seen.append(len(table(named / "o.csv")))
        return probabilities(self, clips)

    monkeypatch.setattr(Recognizer, "probabilities", looking)
    predict(Request(checkpoint=named / "c", videos=["long.mp4"], window=1, csv=named / "o.csv"))
    assert seen == [0, 3, 6]  # three windows at once
