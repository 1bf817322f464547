"""`python src/prepare.py check`, and what becomes of the videos that its report lists."""

import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from video_adapters.commands import command, terminal
from video_adapters.commands.lock import alone
from video_adapters.data import check_report as report
from video_adapters.data.check_report import VideoCheck
from video_adapters.preparation import check as checking
from video_adapters.preparation.check import Check, check
from video_adapters.preparation.source import Source

from helpers.miniatures import MINIATURES, write_class_folders, write_diving48, write_frame_folders
from helpers.ssv2 import write_ssv2
from helpers.toy import SMALL, run, score

FRAMES = ["data.image_size=32", "data.num_frames=4", "batch.per_step=2", "batch.per_device=2"]


def asked(root: Path, out: Path, data: str = "ssv2", overrides: tuple[str, ...] = (), **options: bool) -> Check:
    command.set_up()
    return Check(source=Source(data=data, root=root, overrides=overrides), out=out, workers=2, **options)


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """SSv2 in miniature, training videos 1000 to 1008, validation 1009 to 1014; four of them are not whole."""
    root = write_ssv2(tmp_path / "ssv2", 9, 6)
    videos = root / "20bn-something-something-v2"
    (videos / "1001.webm").unlink()
    (videos / "1002.webm").write_bytes(b"<html>")
    (videos / "1009.webm").write_bytes(b"")
    content = (videos / "1010.webm").read_bytes()
    (videos / "1010.webm").write_bytes(content[: len(content) * 9 // 10])
    return root


def statuses(path: Path) -> dict[str, str]:
    return {Path(finding.path).stem: finding.status for finding in report.read(str(path)).values()}


def test_every_video_of_every_split_is_listed_with_what_is_wrong(
    damaged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = check(asked(damaged, tmp_path / "r.csv"))
    whole = {str(number): "ok" for number in range(1000, 1015)}
    assert statuses(path) == whole | {"1001": "missing", "1002": "broken", "1009": "broken", "1010": "truncated"}
    first = report.read(str(path))["20bn-something-something-v2/1000.webm"]
    assert (first.splits, first.frames, first.width, first.height, first.codec) == ("train", 10, 56, 40, "vp9")
    assert first.seconds == pytest.approx(10 / 30, rel=0.01)
    shown = capsys.readouterr().out
    assert "│ train │ 9      │ 7  │ 0         │ 1      │ 1       │ 10 to 14 │" in shown
    assert "│ val   │ 6      │ 4  │ 1         │ 1      │ 0       │" in shown
    assert f"data.report={path}" in shown


@pytest.mark.parametrize(
    "name",
    ["frame folders", "k400", *(pytest.param(n, marks=pytest.mark.slow) for n in ("csv", "class folders", "diving48"))],
)
def test_data_sets_are_named_as_in_the_configs(name: str, tmp_path: Path) -> None:
    write, (data, *overrides) = MINIATURES[name]
    path = check(asked(write(tmp_path / "data"), tmp_path / "r.csv", data.removeprefix("data="), tuple(overrides)))
    found = set(statuses(path).values())
    assert found == ({"ok", "missing"} if name == "k400" else {"ok"})


def test_a_span_past_the_end_is_broken(tmp_path: Path) -> None:
    root = write_diving48(tmp_path / "data")
    file = root / "Diving48_V2_test.json"
    file.write_text(file.read_text().replace('"start_frame": 2', '"start_frame": 12'))
    found = report.read(str(check(asked(root, tmp_path / "r.csv", "diving48")))).values()
    assert [finding.reason for finding in found if finding.status != "ok"] == [
        "has 12 frames, none of 12 on that its annotation names"
    ]


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM])
def test_an_interrupted_check_goes_on_where_it_stopped(
    number: signal.Signals, damaged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out, written, write = tmp_path / "r.csv", [], report.write

    def counting(file: object, finding: VideoCheck) -> None:
        write(file, finding)
        written.append(finding.path)
        if len(written) == 4:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(report, "write", counting)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # shells start background jobs without it
    with pytest.raises(SystemExit) as stopped:
        check(asked(damaged, out))
    signal.signal(signal.SIGINT, before)
    assert stopped.value.code == 128 + number
    assert f"the same command goes on with {out}" in capsys.readouterr().err.replace("\n", "")
    readable = [name for name, status in statuses(out).items() if status not in report.UNREADABLE]
    assert len(report.read(str(out))) == 4
    with out.open("a") as file:
        file.write("20bn-something-something-v2/1014.webm,va")  # killed amid a line
    monkeypatch.setattr(report, "write", write)
    decoded = _spied(monkeypatch)
    check(asked(damaged, out))
    assert len(decoded) == 15 - len(readable)
    assert len(statuses(out)) == 15


def test_what_has_changed_is_decoded_again(damaged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = check(asked(damaged, tmp_path / "r.csv"))
    videos = damaged / "20bn-something-something-v2"
    (videos / "1001.webm").write_bytes((videos / "1004.webm").read_bytes())
    (videos / "1003.webm").write_bytes(bytes((videos / "1003.webm").stat().st_size))
    decoded = _spied(monkeypatch)
    check(asked(damaged, out))
    unreadable = [
        "1001",
        "1002",
        "1003",
        "1009",
    ]  # the third only now; the others are looked at again whatever their size
    assert [Path(path).stem for path in decoded] == unreadable
    assert {name: statuses(out)[name] for name in unreadable} == {
        "1001": "ok", "1002": "broken", "1003": "broken", "1009": "broken"
    }  # fmt: skip
    decoded.clear()
    check(asked(damaged, out, fresh=True))
    assert len(decoded) == 15


@pytest.mark.parametrize("change", ["an image written", "two images swapped", "an image replaced by an older one"])
def test_a_folder_of_frames_that_has_changed_is_decoded_again(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, words = write_frame_folders(tmp_path / "data"), MINIATURES["frame folders"][1][1:]
    folder, size = root / "frames" / "train 1", 1000
    for number in (1, 2):
        image = folder / f"img_0000{number}.png"
        image.write_bytes(image.read_bytes().ljust(size, b"\0"))  # what follows the image's end is not read
    out = check(asked(root, tmp_path / "r.csv", "list", tuple(words)))
    decoded = _spied(monkeypatch)
    check(asked(root, out, "list", tuple(words)))
    assert decoded == []
    first, second = folder / "img_00001.png", folder / "img_00002.png"
    if change == "an image written":
        first.write_bytes(second.read_bytes())
    elif change == "two images swapped":
        first.rename(folder / "img")
        second.rename(first)
        (folder / "img").rename(second)
    else:
        first.write_bytes(second.read_bytes())
        os.utime(first, (1, 1))
    check(asked(root, out, "list", tuple(words)))
    assert decoded == [str(folder)]


def test_the_report_of_another_root_is_left_alone(tmp_path: Path) -> None:
    roots = [write_class_folders(tmp_path / name) for name in ("a", "b")]
    out = check(asked(roots[0], tmp_path / "r.csv", "folders"))
    (tmp_path / "link").symlink_to(roots[0])
    check(asked(tmp_path / "link", out, "folders"))  # the same files
    before = out.read_text()
    message = rf"r.csv is the report of {roots[0]}, now asked for is {roots[1]}: give another --out, or --fresh"
    with pytest.raises(ValueError, match=message):
        check(asked(roots[1], out, "folders"))
    assert out.read_text() == before
    check(asked(roots[1], out, "folders", fresh=True))
    assert {finding.root for finding in report.read(str(out)).values()} == {str(roots[1])}


def test_a_report_that_does_not_say_its_root_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "r.csv"
    out.write_text(f"{','.join(report.EARLIER)}\nclap/ü 1.mp4,train,broken,,,,,,,,12,cut\n")
    with pytest.raises(
        ValueError, match="a report that does not say of which root, from an earlier version, now asked"
    ):
        check(asked(write_class_folders(tmp_path / "a"), out, "folders"))


def test_where_nobody_watches_a_line_a_minute_tells_how_far_it_is(
    damaged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "QUIET_SECONDS", 0)
    check(asked(damaged, tmp_path / "r.csv"))
    shown = capsys.readouterr().out
    assert "decoding 1/15, 0 min left\n" in shown
    assert "decoding 15/15, 0 min left\n" in shown


def test_two_checks_do_not_write_one_report(damaged: Path, tmp_path: Path) -> None:
    with alone(tmp_path / ".r.csv.lock"), pytest.raises(ValueError, match="is in use: another src/prepare"):
        check(asked(damaged, tmp_path / "r.csv"))


def test_a_report_leaves_videos_out_openly(
    damaged: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    path = check(asked(damaged, tmp_path / "r.csv"))
    data = ["data=ssv2", f"data.root={damaged}", "data.num_classes=3", *SMALL, *FRAMES]
    with caplog.at_level(logging.WARNING):
        scores = run(tmp_path / "run", *data, f"data.report={path}")
    assert f"train: 2 of 9 videos are left out by the report {path}: 1 broken, 1 missing" in caplog.text
    assert "replaced by another video" not in caplog.text
    assert (scores["val_as_test/videos"], scores["val_as_test/unreadable"]) == (
        6,
        1,
    )  # the test counts every video all the same
    checkpoint = f"checkpoint={tmp_path / 'run' / 'checkpoints' / 'best.ckpt'}"
    capsys.readouterr()
    again = score(tmp_path / "eval", checkpoint)
    assert (again["val_as_test/videos"], again["val_as_test/unreadable"]) == (6, 1)
    assert "6 scored, of these 0 missing and 1 broken (counted as wrong)  " in capsys.readouterr().out
    without = score(tmp_path / "eval", checkpoint, f"data.report={path}")
    assert (without["val_as_test/videos"], without["val_as_test/unreadable"]) == (5, 0)
    shown = capsys.readouterr().out
    assert "5 scored, of these 0 missing and 0 broken (counted as wrong); 1 more left out by a report" in shown
    assert path.name in shown


def test_a_report_of_other_videos_is_refused(tmp_path: Path) -> None:
    path = check(asked(write_class_folders(tmp_path / "a"), tmp_path / "r.csv", "folders"))
    root = write_ssv2(tmp_path / "b", 3, 3)
    with pytest.raises(ValueError, match=r"names none of the 3 videos of the split 'train', such as 20bn.*1000.webm"):
        run(tmp_path / "run", "data=ssv2", f"data.root={root}", "data.num_classes=3", *SMALL, f"data.report={path}")


def _spied(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths that are decoded from now on, in this process, where they can be seen."""
    decoded: list[str] = []

    def inline(title: str, work: Callable[..., VideoCheck], jobs: list[checking.Listed], workers: int) -> object:
        for job in jobs:
            decoded.append(job.video.path)
            yield job, work(job)

    monkeypatch.setattr(checking, "worked_on", inline)
    return decoded
