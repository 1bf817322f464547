"""Names that somebody chose to harm who sees them."""

import csv
import io
import logging
import runpy
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from video_adapters.analysis import report as pages
from video_adapters.analysis.runs.test_files import read_predictions
from video_adapters.commands import command
from video_adapters.commands.errors import UserError
from video_adapters.commands.terminal import summary
from video_adapters.commands.wording import as_cell, of_cell, printable
from video_adapters.data.annotations import Video, Videos
from video_adapters.data.check_report import VideoCheck, read, write, write_header
from video_adapters.recognition import results as report
from video_adapters.recognition.find_videos import Unread
from video_adapters.recognition.prediction import Prediction
from video_adapters.recognition.results import Recognized
from video_adapters.recognition.writers import CsvWriter
from video_adapters.training.callbacks.predictions import Scored, confusion_rows, prediction_rows
from video_adapters.training.callbacks.predictions import _write as write_rows

CLEAR, TITLE, C1 = "\x1b[2J.mp4", "\x1b]0;owned\x07.mp4", "\x9b2J.mp4"
STEERING = [CLEAR, TITLE, C1, "a\rb.mp4", "a\nb.mp4", "a\x08b.mp4", "\u202e4pm.exe", "\x7f.mp4"]
FORMULAS = ["=cmd|' /C calc'!A0.mp4", "+1.mp4", "-1.mp4", "@sum.mp4", "\t=1.mp4", "\r=1.mp4", "'=1.mp4", "＝1.mp4"]
ORDINARY = [
    "clip.mp4",
    "a b/ü (1).mp4",
    "Pushing [something]",
    "a\\b.mp4",
    "it's.mp4",
    "0.5",
    "",
    "\udcff.mp4",
    "動画.mp4",
]


def is_steering(text: str) -> bool:
    return any(ord(sign) < 32 or 127 <= ord(sign) < 160 or sign in "\u202e\u2028" for sign in text)


@pytest.mark.parametrize("name", STEERING)
def test_terminals_are_not_steered(name: str) -> None:
    assert not is_steering(printable(name))
    assert printable("a message\n\tof lines", keep="\n\t") == "a message\n\tof lines"


def test_ordinary_names_are_shown_as_they_are() -> None:
    for name in ORDINARY:
        assert printable(name) == name.replace("\udcff", "\ufffd")
        assert as_cell(name) == name


@pytest.mark.parametrize("name", [*STEERING, *FORMULAS, *ORDINARY, r"\x1b", r"\\x1b", "''=1", r"\u202e", "=\x1b\\x1b"])
def test_a_cell_starts_no_formula_steers_nothing_and_gives_its_name_back(name: str) -> None:
    cell = as_cell(name)
    assert not is_steering(cell)
    assert not cell.startswith(("=", "+", "-", "@", "＝"))
    assert of_cell(cell) == name


@pytest.mark.parametrize("name", [*STEERING, *FORMULAS])
def test_reports_of_a_check_hold_neither_and_are_read_again(tmp_path: Path, name: str) -> None:
    finding = VideoCheck(path=name, status="broken", root=f"/{name}", reason=f"{name} cannot be read", size=3)
    with (tmp_path / "report.csv").open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        write_header(file)
        write(file, finding)
    (_, line) = csv.reader((tmp_path / "report.csv").read_text().splitlines())
    assert not any(is_steering(cell) or cell[:1] in ("=", "+", "-", "@") for cell in line if cell)
    assert read(str(tmp_path / "report.csv")) == {name: finding}


def test_predictions_hold_neither_and_are_read_again(tmp_path: Path) -> None:
    names = [*STEERING, *FORMULAS]
    videos = Videos(Video(name, label) for label, name in enumerate(names))
    scored = Scored(np.arange(len(names)), np.eye(len(names), dtype=np.float32), np.ones(len(names), bool))
    (tmp_path / "test").mkdir()
    write_rows(tmp_path / "test" / "predictions.csv", prediction_rows(scored, videos, names))
    write_rows(tmp_path / "test" / "confusion.csv", confusion_rows(scored, videos, names))
    for file in (tmp_path / "test").iterdir():
        cells = [cell for row in csv.reader(io.StringIO(file.read_text(), newline="")) for cell in row]
        assert not any(is_steering(cell) or cell[:1] in ("=", "+", "-", "@") for cell in cells if cell)
    again = read_predictions(tmp_path)
    assert list(again["video"]) == list(again["class"]) == list(again["top1"]) == names


def test_what_predict_writes_and_prints_holds_neither(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = Prediction((CLEAR, "=1+1"), np.array([0.25, 0.75], np.float32), (f"odd {TITLE}",))
    outcomes = [Recognized(f"-{CLEAR}", result), Unread("=x.mp4", f"{TITLE}: broken")]
    for outcome in outcomes:
        report.show(outcome, top=2)
    assert not is_steering(capsys.readouterr().out.replace("\n", ""))
    with closing(CsvWriter(tmp_path / "out.csv", top=2, windows=False)) as file:
        for outcome in outcomes:
            file.add(outcome)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text(), newline="")))
    assert rows[0]["video"] == "'-\\x1b[2J.mp4"
    assert rows[0]["top1"] == "'=1+1"
    assert of_cell(rows[0]["top2"]) == CLEAR
    assert rows[1]["video"] == "'=x.mp4"


def test_what_a_report_leaves_out_steers_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pages, "write", lambda *_: pages.Missing([f"of {CLEAR}"], {"Which?": TITLE}))
    monkeypatch.setattr("sys.argv", ["report.py", "logs"])
    runpy.run_path(str(Path(__file__).parents[2] / "src" / "report.py"), run_name="report")["main"]()
    said = capsys.readouterr().err
    assert said.startswith("of \\x1b[2J.mp4\nleft out: Which? ")
    assert not is_steering(said.replace("\n", ""))


def test_messages_tables_and_the_log_steer_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert str(UserError(f"there is no {CLEAR}\nlook elsewhere")) == "there is no \\x1b[2J.mp4\nlook elsewhere"
    summary(f"split of {CLEAR} [/]", {"folder": TITLE})  # nor is it markup
    assert not is_steering(capsys.readouterr().out.replace("\n", ""))
    record = command._shown("x", logging.WARNING, "f", 1, "%s is broken", (CLEAR,), None)
    assert record.getMessage() == "\\x1b[2J.mp4 is broken"
    assert command._shown("x", logging.WARNING, "f", 1, "%d", ("a",), None).msg == "%d"
