"""The command line of src/prepare.py."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
