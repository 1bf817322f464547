"""Folder order is data-flow order, and imports point one way only."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"
PACKAGE = SRC / "video_adapters"
GROUND = {"archives", "plural", "shown", "spelling"}  # modules beneath all folders: any may import them
MAY_IMPORT = {
    "data": {"data"},
    "model": {"model"},
    "memory": {"memory"},
    "training": {"data", "model", "memory", "training"},
    "recognition": {"data", "model", "training", "recognition"},
    "analysis": {"data", "model", "training", "recognition", "analysis"},
    "": {"training", "recognition", "analysis"},  # the entry scripts
}


def imported(path: Path) -> set[str]:
    """The package's folders that a file imports from, inside functions too."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return {name.split(".")[1] for name in names if name.startswith("video_adapters.")}


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_imports_point_one_way(folder: str) -> None:
    files = list((PACKAGE / folder).rglob("*.py")) if folder else list(SRC.glob("*.py"))
    assert files
    for path in files:
        assert imported(path) <= MAY_IMPORT[folder] | GROUND, path


def test_the_ground_imports_nothing_of_ours() -> None:
    for name in GROUND:
        assert imported(PACKAGE / f"{name}.py") == set()


def test_every_folder_has_its_rule() -> None:
    assert {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name[0] != "_"} == MAY_IMPORT.keys() - {
        ""
    }


@pytest.mark.parametrize("path", sorted(SRC.glob("*.py")), ids=lambda path: path.name)
def test_entry_scripts_are_thin(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 80
