"""The README and docs/: each command composes; those that need no data set of their own are run, shortened.

docs/extending.md has a test of its own, which does what it says.
"""

import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from video_adapters.catalogue.experiments import print_cost
from video_adapters.commands.config import compose_config
from video_adapters.training.planning.plan import print_plan

from helpers.toy import composed, run

PROJECT = Path(__file__).parents[1]
README = PROJECT / "README.md"
PAGES = [
    README,
    PROJECT / "CONTRIBUTING.md",
    *(path for path in sorted((PROJECT / "docs").glob("*.md")) if path.name != "extending.md"),
]
OTHERS = ("SECURITY.md", "benchmarks/README.md", "docs/extending.md")
LINKED = [*PAGES, *(PROJECT / name for name in OTHERS)]


def commands(page: Path) -> list[list[str]]:
    """The lines of a page's bash blocks, as words."""
    blocks = "".join(re.findall(r"```bash\n(.*?)```", page.read_text(), re.S)).replace("\\\n", " ")
    lines = [line for line in blocks.splitlines() if line.strip() and not line.startswith("#")]
    return [shlex.split(line, comments=True) for line in lines]


def anchors(page: Path) -> set[str]:
    """The names by which a page's headings can be linked to."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


COMMANDS = [list(words) for words in dict.fromkeys(tuple(words) for page in PAGES for words in commands(page))]
PYTHON = [command[1:] for command in COMMANDS if command[0] == "python"]
HYDRA = [
    words
    for words in PYTHON
    if words[0].removeprefix("src/") in ("train.py", "eval.py", "cost.py", "plan.py", "pretrain.py", "extract.py")
]
ARGPARSE = [words for words in PYTHON if words not in HYDRA]
ELSEWHERE = ("data.root=", "resume=", "checkpoint=", "experiment=", "--help")  # what needs videos or a run to be there


def test_the_line_for_a_queue_starts_a_run_and_then_goes_on_with_it(tmp_path: Path) -> None:
    (line,) = re.findall(r"^srun python src/train.py (.*)$", (PROJECT / "docs" / "running.md").read_text(), re.M)
    folder = tmp_path / "run"
    for resume in ([], [f"resume={folder}"]):
        shown = ["bash", "-c", f"printf '%s\\n' {line.replace('RUN', str(folder))}"]
        words = subprocess.run(shown, capture_output=True, text=True, check=True).stdout.split()
        assert words == [f"hydra.run.dir={folder}", *resume]
        assert compose_config("train", words, with_hydra=True).hydra.run.dir == str(folder)
        (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        (folder / "checkpoints" / "last.ckpt").touch()


def single(overrides: list[str]) -> list[str]:
    """The overrides of a sweep's first job; those of a run by itself as they are."""
    if "-m" not in overrides:
        return overrides
    return [re.sub(r"=([^,\[]*),.*", r"=\1", o) for o in overrides if o != "-m" and not o.startswith("hydra")]


def test_the_readme_is_one_page() -> None:
    assert len(README.read_bytes()) <= 8 * 1024


@pytest.mark.parametrize("page", LINKED, ids=lambda path: str(path.relative_to(PROJECT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r'\]\(([^)\s]+)\)|(?:src|srcset)="([^"]+)"', page.read_text()):
        name, _, anchor = "".join(link).partition("#")
        if name.startswith("https:"):
            continue
        there = page.parent / name if name else page
        assert there.exists(), f"{page.name} links to {name}"
        assert not anchor or anchor in anchors(there), f"{page.name} links to {name}#{anchor}"


@pytest.mark.parametrize("group", ["adapter", "data", "experiment", "head", "model", "views"])
def test_the_table_of_groups_names_every_choice(group: str) -> None:
    choices = {path.stem for path in (PROJECT / "configs" / group).glob("*.yaml")} - {"base"}
    named = set(re.findall(r"`(\w+)`|experiment=(\w+)", (PROJECT / "docs" / "running.md").read_text()))
    assert choices <= {first or second for first, second in named}


def test_the_readme_shows_commands_of_every_kind() -> None:
    assert {words[0] for words in PYTHON} >= {"src/train.py", "src/eval.py", "src/cost.py"}
    assert ["make", "train"] in COMMANDS
    assert ["make", "test"] in COMMANDS


@pytest.mark.parametrize("words", [c for c in COMMANDS if c[0] == "make"], ids=" ".join)
def test_make_has_the_targets_that_the_readme_names(words: list[str]) -> None:
    done = subprocess.run(["make", "--dry-run", words[1]], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", ARGPARSE, ids=" ".join)
def test_commands_on_files_have_the_options_that_the_readme_names(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [words[0], "--help"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(PROJECT / words[0]), run_name="__main__")
    assert not end.value.code
    printed = capsys.readouterr().out
    assert [word for word in words[1:] if word.startswith("--") and word not in printed] == []


@pytest.mark.parametrize("words", HYDRA, ids=" ".join)
def test_every_command_composes(words: list[str]) -> None:
    script, *overrides = words
    if overrides == ["--help"]:
        return
    assert (PROJECT / script).is_file()
    cfg = composed(*single(overrides), config=Path(script).stem)
    for override in single(overrides):
        key, _, value = override.partition("=")
        if value and key in ("adapter.ratio", "data.num_frames", "trainer.devices", "data.num_classes"):
            section, name = key.split(".")
            assert str(cfg[section][name]) == value


@pytest.mark.parametrize(
    "words", [w for w in PYTHON if w[0] == "src/train.py" and not any(o.startswith(ELSEWHERE) for o in w)], ids=" ".join
)
def test_commands_on_the_embedded_data_run(words: list[str], shapes: list[str], tmp_path: Path) -> None:
    shortened = [o for o in shapes if not o.startswith(("batch.", "model="))]  # the encoder is the one that ships
    scores = run(tmp_path, *single(words[1:]), *shortened, "trainer.max_steps=1")
    assert any(name.endswith("test/top1") for name in scores)  # overfitting tests what it trained on


def test_the_python_shown_runs(shapes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, *shapes, "trainer.max_steps=1")
    (tmp_path / "checkpoints" / "last.ckpt").rename(tmp_path / "best.ckpt")
    root = Path(shapes[-1].removeprefix("data.root="))
    shutil.copy(next(root.rglob("*.mp4")), tmp_path / "clip.mp4")
    monkeypatch.chdir(tmp_path)
    frames = np.zeros((8, 40, 40, 3), np.uint8)
    for block in re.findall(r"```python\n(.*?)```", "".join(page.read_text() for page in PAGES), re.S):
        exec(block, {"frames": frames, "one": frames, "another": frames})


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [w for w in HYDRA if w[0] == "src/plan.py" and not any(o.startswith("data.root=") for o in w)],
    ids=" ".join,
)
def test_plans_are_made(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    print_plan(composed(*words[1:], "name=x", config="plan"), words[1:])
    assert "python src/train.py experiment=" in capsys.readouterr().out


@pytest.mark.slow
def test_the_cost_command_prints_the_papers_figures(capsys: pytest.CaptureFixture[str]) -> None:
    (words,) = [words for words in PYTHON if words[0] == "src/cost.py"]
    print_cost(composed(*words[1:], "name=ssv2", config="cost"))
    assert "811.141 GMACs" in capsys.readouterr().out


def test_help_is_readable() -> None:
    done = subprocess.run([sys.executable, "src/train.py", "--help"], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "experiment: aim_diving48" in done.stdout
    assert "python src/train.py experiment=aim_ssv2" in done.stdout
    assert "adapter:" in done.stdout
