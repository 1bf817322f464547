"""Every notebook, executed on toy runs."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import IPython.display
import matplotlib.pyplot as plt
import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from video_adapters.analysis.finding import Unanswerable

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def code_of(path: Path) -> Iterator[str]:
    """The code cells of a notebook."""
    return (cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")


def run_cells(path: Path) -> None:
    """In this process, where six kernels would take a minute to start; a warning is an error."""
    names: dict[str, Any] = {"display": IPython.display.display}
    for source in code_of(path):
        exec(compile(source, path.name, "exec"), names)


FIRST, *OTHERS = NOTEBOOKS


@pytest.mark.parametrize(
    "path", [FIRST, *(pytest.param(path, marks=pytest.mark.slow) for path in OTHERS)], ids=lambda path: path.stem
)
def test_the_cells_of_a_notebook_run_on_toy_runs(
    path: Path, toy_runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RUNS", str(toy_runs))
    run_cells(path)
    assert plt.get_fignums()
    assert not capsys.readouterr().err


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_begins_with_its_answer(path: Path) -> None:
    assert isinstance(ast.parse(next(code_of(path))).body[-1], ast.Expr)  # which Jupyter shows


@pytest.mark.slow
def test_a_notebook_runs_as_its_readers_run_it(toy_runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = FIRST
    monkeypatch.setenv("RUNS", str(toy_runs))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(path.parent)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output.text for output in outputs if output.output_type == "stream"]  # warnings
    assert any("image/png" in output.get("data", {}) for output in outputs)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    assert any(output.output_type == "execute_result" for output in first.outputs)  # the answer


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_states_a_question_and_is_stored_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    first = notebook.cells[0]
    assert first.cell_type == "markdown"
    assert "?" in first.source.splitlines()[0]
    assert "**Finding.**" in first.source
    assert notebook.metadata.kernelspec.name == "python3"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_holds_no_logic(path: Path) -> None:
    assert not [
        line for source in code_of(path) for line in source.splitlines() if line.startswith(("def ", "class ", "if "))
    ]


def test_there_are_notebooks() -> None:
    assert [path.stem.split("_")[0] for path in NOTEBOOKS] == [*"012345"]


def test_a_question_without_an_answer_is_a_sentence_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    shell = InteractiveShell()
    shell.history_manager.enabled = False
    monkeypatch.setenv("RUNS", str(tmp_path))
    cell = "from video_adapters.analysis.runs.folder import read_runs, runs_folder\nread_runs(runs_folder())"
    assert isinstance(shell.run_cell(cell).error_in_exec, Unanswerable)
    said = "".join(capsys.readouterr()).strip()
    assert said.startswith(f"no run in {tmp_path}: looked for folders")
    assert "Traceback" not in said
    assert "read_runs" not in said  # nor a line of code


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_where_there_are_no_runs_a_notebook_has_no_answer(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNS", str(tmp_path))
    with pytest.raises(Unanswerable, match=r"^no run in "):
        run_cells(path)


@pytest.mark.slow
def test_a_notebook_without_an_answer_shows_no_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNS", str(tmp_path))
    client = NotebookClient(nbformat.read(FIRST, as_version=4), timeout=120)
    with pytest.raises(CellExecutionError):
        client.execute()
    outputs = [output for cell in client.nb.cells for output in cell.get("outputs", [])]
    (shown,) = ("\n".join(output["traceback"]) for output in outputs if output["output_type"] == "error")
    assert shown.startswith("no run in ")
