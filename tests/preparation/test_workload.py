"""The command line of src/prepare.py, and how long it waits for a video."""

import os
import runpy
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from video_adapters.commands.workers import Failure
from video_adapters.data.video import time_limit
from video_adapters.data.video.time_limit import most_seconds
from video_adapters.preparation.encode_video import Copy
from video_adapters.preparation.workload import worked_on

SCRIPT = Path(__file__).parents[2] / "src" / "prepare.py"


@pytest.fixture(scope="module")
def parsed() -> Callable[[list[str]], dict[str, Any]]:
    return runpy.run_path(str(SCRIPT))["parsed"]


def test_overrides_may_stand_anywhere(parsed: Callable[[list[str]], dict[str, Any]]) -> None:
    words = ["check", "data.a=1", "--data", "csv", "data.b=2", "--root", "a folder", "data.c=3"]
    assert sorted(parsed(words)["overrides"]) == ["data.a=1", "data.b=2", "data.c=3"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--fresj"], "unrecognized arguments: --fresj"),
        (["data.a=1", "--fresh", "word"], "unrecognized arguments: word"),
        (["--out", ""], "argument --out: it is empty, expected a name"),
    ],
)
def test_mistakes_are_named(
    words: list[str], message: str, parsed: Callable[[list[str]], dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parsed(["check", "--data", "csv", *words])
    assert message in capsys.readouterr().err


def test_a_large_video_may_take_longer(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.touch()
    os.truncate(film, 10**8)
    frames = 20 * 60 * 30  # 20 minutes
    seconds = most_seconds(str(film))
    assert seconds == 6600
    assert seconds > 10 * frames / 60  # ten times what a core of usual speed takes to copy it at 1080p
    assert most_seconds(str(tmp_path / "missing.mp4")) == 600


def test_a_folder_of_many_images_may_take_longer(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number}.png").touch()
    assert most_seconds(str(tmp_path)) == 630


def test_each_video_has_its_own_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_limit, "MOST_SECONDS", 0.1)
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", 10**9)
    copies = [Copy(str(tmp_path / name), "") for name in ("small", "large")]
    ends = dict(worked_on("", lambda copy: time.sleep(60 if copy.source.endswith("small") else 1.5), copies, 2))
    assert ends == {copies[0]: Failure("took more than 0.1 s"), copies[1]: None}
