"""The report of `prepare.py check`: as it is written it is read, and what it lists is left out openly."""

import os
from pathlib import Path

import pytest

from video_adapters.data import check_report as report
from video_adapters.data.check_report import VideoCheck, in_report

FINDINGS = [
    VideoCheck(path="a, b.mp4", splits="train val", status="ok", frames=9, width=64, height=48, rotation=0, fps=30.0,
            seconds=0.3, codec="h264", size=1234, stamp="1700000000123456789", root="/a, b"),
    VideoCheck(path=os.fsdecode(b"\xff\n.mp4"), splits="val", status="broken", size=0, reason='says "no"'),
    VideoCheck(path="gone.mp4", splits="val", status="missing", reason="no such file"),
]  # fmt: skip


def write(path: Path, findings: list[VideoCheck]) -> Path:
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        report.write_header(file)
        for finding in findings:
            report.write(file, finding)
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert list(report.read(str(write(tmp_path / "r.csv", FINDINGS))).values()) == FINDINGS


def test_a_report_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    line = "a.mp4,train,broken,,,,,,,,12,cut\n"
    (tmp_path / "r.csv").write_text(
        f"path,splits,status,frames,width,height,rotation,fps,seconds,codec,size,reason\n{line}"
    )
    broken = VideoCheck(path="a.mp4", splits="train", status="broken", size=12, reason="cut")
    assert report.read(str(tmp_path / "r.csv")) == {"a.mp4": broken}


def test_a_line_cut_off_while_it_was_written_does_not_count(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", FINDINGS)
    content = path.read_bytes()
    start = content.index(b"gone.mp4")
    for end in range(start, len(content) - len("no such file\n")):
        path.write_bytes(content[:end])
        assert list(report.read(str(path)).values()) == FINDINGS[:2]


def test_another_file_is_not_taken_for_a_report(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"r.csv is missing; `python src/prepare.py check` writes one"):
        report.read(str(tmp_path / "r.csv"))
    (tmp_path / "r.csv").write_text("path,label\na.mp4,1\n")
    with pytest.raises(ValueError, match=r"is no report of .* its first line is 'path,label', expected path,splits"):
        report.read(str(tmp_path / "r.csv"))


def test_videos_are_named_from_the_root_where_they_lie_below_it(tmp_path: Path) -> None:
    assert in_report(f"{tmp_path}/x/../a b/v.mp4", str(tmp_path)) == "a b/v.mp4"
    assert in_report(f"{tmp_path}/..v.mp4", str(tmp_path)) == "..v.mp4"
    assert in_report("/elsewhere/v.mp4", str(tmp_path)) == "/elsewhere/v.mp4"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.mp4,train,broken,many,,,,,,,12,,,cut", r"r\.csv, line 2: invalid literal"),
        ("a.mp4,train,broken,,,,,,,,12,,," + "x" * 200_000, "cannot be read as a table"),
    ],
)
def test_a_report_that_is_none_is_refused_in_a_sentence(tmp_path: Path, line: str, message: str) -> None:
    path = write(tmp_path / "r.csv", [])
    with path.open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(ValueError, match=message):
        report.read(str(path))
