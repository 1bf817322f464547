"""The benchmark of extraction measures it, and the pass beside it, on the same groups."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
def test_extraction_is_measured_beside_the_bare_pass(
    shapes: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    benchmark: Any = import_module("features")
    assert benchmark.measure(shapes) > 0
    assert "bare pass" in capsys.readouterr().out
