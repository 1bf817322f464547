"""The command: videos in, tables out; what cannot be read is named, and the rest goes on."""

import csv
import errno
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from video_adapters.recognition import Recognizer
from video_adapters.recognition import predict as commands
from video_adapters.recognition.predict import Request, predict
from video_adapters.recognition.report import Recognized
from video_adapters.training import entry

from colours import coloured
from rounding import BLOCK, rounding

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
    monkeypatch.setattr(sys, "argv", [*command, "--top", "2", "--device", "cpu", "--", "-odd ñame.mp4"])
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
    (outcome,) = predict(
        Request(checkpoint=named / "c", videos=["a.mp4"], json=named / "o.json", annotate=named / "copies")
    )
    assert isinstance(outcome, Recognized)
    assert outcome.not_annotated == "No space left on device: there"
    assert "no annotated copy: No space left on device" in capsys.readouterr().out
    assert json.loads((named / "o.json").read_text())[0]["not_annotated"] == outcome.not_annotated


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


def test_what_is_done_when_ctrl_c_is_pressed_is_written(named: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        coloured(named / f"{name}.mp4", [("red", 4)])
    outcome = commands._outcome

    def interrupted(recognizer: object, video: str, *rest: object) -> object:
        if video == "b.mp4":
            raise KeyboardInterrupt
        return outcome(recognizer, video, *rest)

    monkeypatch.setattr(commands, "_outcome", interrupted)
    request = Request(checkpoint=named / "c", videos=["a.mp4", "b.mp4"], csv=named / "o.csv")
    with pytest.raises(SystemExit) as stop:
        entry.run(lambda: predict(request))
    assert stop.value.code == 130  # as shells have it: 128 + SIGINT
    assert [row["video"] for row in table(named / "o.csv")] == ["a.mp4"]
