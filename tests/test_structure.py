"""Folder order is data-flow order, and imports point one way only."""

import ast
import subprocess
import sys
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"
PACKAGE = SRC / "video_adapters"
GROUND = {"commands"}
NETWORK = GROUND | {"data", "model"}
MAY_IMPORT = {
    "commands": GROUND,
    "data": GROUND | {"data"},
    "model": GROUND | {"model"},
    "features": NETWORK | {"features"},
    "memory": GROUND | {"memory"},
    "trust": GROUND | {"model", "trust"},
    "preparation": NETWORK | {"features", "preparation"},
    "recognition": NETWORK | {"trust", "recognition"},
    "official": NETWORK | {"trust", "official"},
    "catalogue": NETWORK | {"catalogue"},
    "training": NETWORK | {"features", "memory", "trust", "training"},
    "pretraining": NETWORK | {"training", "pretraining"},
    "analysis": NETWORK | {"trust", "recognition", "training", "analysis"},
}
"""What the files of a folder import, from the ground up. The entry scripts import any."""
QUESTIONS = ("what", "which", "whether", "how", "why")  # a module's docstring is a noun phrase, no riddle


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
    files = list((PACKAGE / folder).rglob("*.py"))
    assert files
    for path in files:
        assert imported(path) <= MAY_IMPORT[folder], path


def test_every_folder_has_its_rule() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name[0] != "_"}
    assert folders == MAY_IMPORT.keys()


def test_no_two_files_have_one_name() -> None:
    names = Counter(path.stem for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_says_what_it_is(path: Path) -> None:
    if text := path.read_text():
        first = (ast.get_docstring(ast.parse(text)) or "").split(" ")[0]
        assert first.lower() not in ("", *QUESTIONS)
        assert len(text.splitlines()) <= 300


def test_no_function_is_longer_than_60_lines() -> None:
    for path in SRC.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno is not None
                assert node.end_lineno - node.lineno < 60, f"{path}: {node.name}"


@pytest.mark.parametrize("path", sorted(SRC.glob("*.py")), ids=lambda path: path.name)
def test_entry_scripts_are_thin(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 80


METHODS = sorted(
    path for path in (PACKAGE / "model" / "adapters").glob("*.py") if "(AdaptedBlock):" in path.read_text()
)


def test_there_are_methods() -> None:
    assert len(METHODS) >= 5


@pytest.mark.parametrize("path", METHODS, ids=lambda path: path.stem)
def test_a_methods_block_is_read_on_one_screen(path: Path) -> None:
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "AdaptedBlock" for base in node.bases):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 40


@pytest.mark.parametrize(("one", "other"), list(combinations(METHODS, 2)), ids=lambda path: path.stem)
def test_methods_repeat_nothing_of_each_other(one: Path, other: Path) -> None:
    """No three lines in a row, blank ones and imports aside: what several methods need is done by their base."""

    def threes(path: Path) -> set[tuple[str, ...]]:
        imports = [n for n in ast.parse(path.read_text()).body if isinstance(n, ast.Import | ast.ImportFrom)]
        left_out = {i for node in imports for i in range(node.lineno, (node.end_lineno or 0) + 1)}
        lines = enumerate(path.read_text().splitlines(), start=1)
        rest = [line for number, line in lines if line.strip() and number not in left_out]
        return set(zip(rest, rest[1:], rest[2:], strict=False))

    assert threes(one) & threes(other) == set()


@pytest.mark.slow
def test_recognition_needs_no_library_of_training() -> None:
    code = "import sys; from video_adapters.recognition import Recognizer; print(*sys.modules)"
    words = subprocess.run([sys.executable, "-c", code], cwd=SRC, capture_output=True, text=True, check=True).stdout
    assert {"lightning", "wandb", "torchmetrics", "timm", "open_clip"} & set(words.split()) == set()
