"""Every notebook, executed on toy runs."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from toy import run

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="session")
def toy_runs(shapes: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two runs, with adapters and without."""
    folder = tmp_path_factory.mktemp("logs")
    for adapter in ("aim", "none"):
        run(folder / "runs" / "toy" / adapter, *shapes, f"adapter={adapter}", "trainer.max_epochs=2")
    return folder


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_on_toy_runs(path: Path, toy_runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNS", str(toy_runs))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(path.parent)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert outputs
    assert not [output.text for output in outputs if output.output_type == "stream"]  # warnings


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_states_a_question_and_is_stored_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    first = notebook.cells[0]
    assert first.cell_type == "markdown"
    assert "?" in first.source.splitlines()[0]
    assert "**Answer.**" in first.source
    assert notebook.metadata.kernelspec.name == "python3"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS
