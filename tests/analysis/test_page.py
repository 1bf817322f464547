"""The report: one page, with nothing outside of itself."""

import logging
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import report
from video_adapters.analysis.finding import Finding
from video_adapters.analysis.page import drawn, left_out
from video_adapters.analysis.questions import mistakes as errors
from video_adapters.analysis.questions import ratio
from video_adapters.analysis.report import Request, write
from video_adapters.analysis.runs.test_files import Confusion
from video_adapters.commands.html_page import page

from helpers.written_runs import write_run

VOID = {"meta", "img", "br", "hr", "link", "input"}


class Structure(HTMLParser):
    """What a page is made of; fails where tags do not close in their order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def figure() -> plt.Figure:
    made, axes = plt.subplots(figsize=(4, 3))
    axes.plot([1, 2])
    return made


def test_answers_stand_with_their_pictures_and_tables_and_gaps_with_their_reason() -> None:
    table = pd.DataFrame({"top-1": ["96.7 ± 0.4"], "missing": [float("nan")]}, index=pd.Index(["<b>"], name="run"))
    answer = Finding(question="", text="1 < 2", figures={"a caption": figure()}, tables={"a table": table})
    found = {"Which & why?": drawn(answer), "And?": left_out("no <sweep>.")}
    text = page("runs in <logs>", found)
    structure = Structure(text)
    assert "<p>1 &lt; 2</p>" in text
    assert "<h2>Which &amp; why?</h2>" in text
    assert "<title>runs in &lt;logs&gt;</title>" in text
    assert "Left out: no &lt;sweep&gt;." in text
    assert re.search(r"<th>&lt;b&gt;</th>\s*<td>96.7 ± 0.4</td>\s*<td>–</td>", text)
    assert [figure["class"] for figure in structure.all("figure")] == ["picture", "table"]
    (drawing,) = structure.all("svg")
    assert (drawing["aria-label"], drawing["width"]) == ("a caption", str(4 * 88))
    assert "<figcaption>a caption</figcaption>" in text
    assert not plt.get_fignums()  # closed: a report of many figures must not pile them up
    anchors = {link["href"] for link in structure.all("a")}
    assert anchors == {f"#{section['id']}" for section in structure.all("section")}


@pytest.mark.slow
def test_a_folder_of_runs_becomes_a_page_that_needs_nothing_else(toy_runs: Path, tmp_path: Path) -> None:
    asked: list[str] = []
    out = tmp_path / "new" / "report.html"
    assert write(Request(runs=toy_runs), out, asked.append) == ([], {})
    text = out.read_text(encoding="utf-8")
    structure = Structure(text)
    assert len(asked) == len(structure.all("section")) == 7
    assert all(str(image["src"]).startswith("data:image/jpeg;base64,") for image in structure.all("img"))
    assert len(structure.all("svg")) >= 10
    links = {str(link["href"]) for link in structure.all("a")} | {str(video["src"]) for video in structure.all("video")}
    outside = [link for link in links if not link.startswith("#")]
    assert outside  # the videos, which are there, by paths from the page's folder
    assert all((out.parent / unquote(link)).is_file() for link in outside)
    assert not {"script", "link", "iframe"} & {tag for tag, _ in structure.tags}
    assert "http" not in re.sub(r"base64,[^\"]*", "", text)
    assert len({identity for _, attrs in structure.tags if (identity := attrs.get("id"))}) == text.count(' id="')
    assert len(text) < 3e6


def test_what_runs_cannot_answer_is_left_out_with_a_sentence(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "a")
    missing = write(Request(runs=tmp_path / "runs"), tmp_path / "report.html", lambda question: None)
    assert list(missing.left_out) == [
        "How small may the bottleneck be?",
        "Which sites, and which blocks, need adapting?",
        "Does the model use time?",
        "What does the model look at?",
        "What does the model get wrong?",
    ]
    assert (tmp_path / "report.html").read_text(encoding="utf-8").count("Left out: ") == 5


def test_runs_that_cannot_be_read_are_named_on_the_page_and_by_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "runs" / "a")
    (write_run(tmp_path / "runs" / "b&b") / "run.json").write_text("{")
    monkeypatch.setattr("sys.argv", ["report.py", str(tmp_path / "runs"), "--out", str(tmp_path / "report.html")])
    monkeypatch.setattr(logging, "captureWarnings", lambda capture: None)  # of this process, which has other tests
    report.main()
    assert "1 of 2 runs cannot be read:\n  " in capsys.readouterr().err
    assert re.search("1 of 2 runs cannot be read:\n  .*b&amp;b: ", (tmp_path / "report.html").read_text())


def test_an_error_that_nobody_foresaw_costs_its_own_question_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(runs: pd.DataFrame) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(ratio, "answer", broken)
    write_run(tmp_path / "runs" / "a")
    missing = write(Request(runs=tmp_path / "runs"), tmp_path / "report.html", lambda question: None)
    assert missing.left_out[ratio.QUESTION] == "KeyError: 'a bug'"
    assert "Left out: KeyError: &#x27;a bug&#x27;" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Traceback" in caplog.text
    assert len(caplog.records) == 1  # what the runs lack is no error


def test_a_figure_that_cannot_be_drawn_costs_its_own_question_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = figure()
    bad.suptitle("$\\nothing$", parse_math=True)
    monkeypatch.setattr(ratio, "answer", lambda runs: Finding(question="", text="", figures={"bad": bad}))
    write_run(tmp_path / "runs" / "a")
    missing = write(Request(runs=tmp_path / "runs"), tmp_path / "report.html", lambda question: None)
    assert "Unknown symbol" in missing.left_out[ratio.QUESTION]
    assert "Logged steps are faint" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not plt.get_fignums()


def test_dollars_in_a_class_name_are_no_formula() -> None:
    confusion = Confusion(("from $5{ to $10", "b"), np.array([[1, 1], [0, 2]]), np.zeros(2, int))
    assert ">from $5{ to $10</text>" in drawn(
        Finding(question="", text="", figures={"": errors.plot_confusion(confusion)})
    )


def test_impossible_requests_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no run in"):
        write(Request(runs=tmp_path), tmp_path / "report.html")
    with pytest.raises(ValueError, match="--videos is 0, expected at least 1"):
        write(Request(runs=tmp_path, max_videos=0), tmp_path / "report.html")
    with pytest.raises(ValueError, match=r"--data is .*gone, which is no folder"):
        write(Request(runs=tmp_path, data_root=tmp_path / "gone"), tmp_path / "report.html")
