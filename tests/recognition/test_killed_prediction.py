"""A prediction that is killed (kill -9), and gone on with."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src"


def rows(path: Path) -> list[list[str]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.reader(file))[1:]


@pytest.mark.slow
def test_killed_twice_every_clip_comes_once_with_the_scores_of_an_unstopped_run(trained: Path, tmp_path: Path) -> None:
    with (trained / "test" / "predictions.csv").open() as file:
        videos = [row["video"] for row in csv.DictReader(file)]
    (tmp_path / "clips").mkdir()
    for number in range(60):
        (tmp_path / "clips" / f"{number:02}.mp4").write_bytes(Path(videos[number % len(videos)]).read_bytes())
    (tmp_path / "clips" / "33.mp4").write_bytes(b"no video")
    names = [f"clips/{number * 7 % 60:02}.mp4" for number in range(60)]
    (tmp_path / "names.txt").write_text("\n".join(names))

    def begin(name: str, *words: str) -> "subprocess.Popen[bytes]":
        command = [str(SRC / "predict.py"), str(trained / "checkpoints" / "best.ckpt"), "--list", "names.txt"]
        outputs = ["--csv", f"{name}.csv", "--workers", "2", "--device", "cpu", *words]
        environment = {**os.environ, "PYTHONPATH": str(SRC)}
        return subprocess.Popen([sys.executable, *command, *outputs], cwd=tmp_path, env=environment)

    assert begin("whole").wait(120) == 1  # one is no video
    for least in (5, 30):
        process = begin("killed", "--annotate", "copies")  # which takes long enough to be killed amid it
        while len(rows(tmp_path / "killed.csv")) < least and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait(10) == -signal.SIGKILL
        assert (tmp_path / ".killed.csv.progress").exists()
    assert begin("killed").wait(120) == 1
    assert not list(tmp_path.glob(".killed*"))
    assert [row[0] for row in rows(tmp_path / "killed.csv")] == names
    assert rows(tmp_path / "killed.csv") == rows(tmp_path / "whole.csv")
