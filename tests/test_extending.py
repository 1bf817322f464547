"""The examples of docs/extending.md, word for word: put where the page says, in a copy of the project, they train."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import timm
import torch

from video_adapters.model.adapters.aim import Aim
from video_adapters.model.adapters.timesformer import TimeSformer
from video_adapters.model.backbone import Backbone
from video_adapters.model.execution import Memory

from helpers.toy import SHAPES, SMALL
from helpers.videos import numbered_frames, write_video

PROJECT = Path(__file__).parents[1]
PAGE = (PROJECT / "docs" / "extending.md").read_text()
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))

TINY_BEIT = {"embed_dim": 32, "depth": 2, "num_heads": 2}
SHORT = [
    *(one for one in SMALL if not one.startswith("model=")),
    *("trainer.max_steps=1", "callbacks.best=null", "test=false", "data.image_size=32"),
]
TINY = {
    "adapter": ["model=toy_vit", *SHAPES],
    "head": ["model=toy_vit", *SHAPES],
    "model": ["model.allow_random=true", "model.weights=null", *SHAPES]
    + [f"+model.encoder.{name}={value}" for name, value in TINY_BEIT.items()],
    "data": ["model=toy_vit", "adapter=aim"],
}
"""Overrides that shorten the command of a section, by the group that it chooses from."""


class Example(NamedTuple):
    """What a section has a reader do."""

    files: dict[str, str]  # path -> content
    changes: dict[str, str]  # path -> lines as a diff shows them
    command: list[str]
    choice: str  # of the new config, in the command: GROUP=NAME

    @property
    def group(self) -> str:
        return self.choice.partition("=")[0]


def example(section: str) -> Example:
    text = SECTIONS[section]
    files = re.findall(r"`([\w/]+\.(?:py|yaml))`:\n\n```(?:python|yaml)\n(.*?)```", text, re.DOTALL)
    changes = re.findall(r"`([\w/]+\.py)`,[^`]*?:\n\n```diff\n(.*?)```", text, re.DOTALL)
    (command,) = re.findall(r"```sh\n(.*?)\n```", text, re.DOTALL)
    words = shlex.split(command)
    (config,) = (Path(name) for name, _ in files if name.endswith(".yaml"))
    choice = f"{config.parent.name}={config.stem}"
    assert choice in words
    return Example(dict(files), dict(changes), words, choice)


EXAMPLES = {section: example(section) for section in SECTIONS}


def follow(project: Path, one: Example) -> None:
    """Does in a project what an example says."""
    for name, content in one.files.items():
        assert not (project / name).exists()
        (project / name).write_text(content)
    for name, diff in one.changes.items():
        (project / name).write_text(patched((project / name).read_text(), diff))


def patched(text: str, diff: str) -> str:
    """A text with the added lines of a diff, each after the line that stands before it there."""
    before = ""
    for line in diff.splitlines():
        if line.startswith("+"):
            assert text.count(before) == 1, before
            text = text.replace(before, f"{before}{line[1:]}\n")
            before += f"{line[1:]}\n"
        elif line != "...":
            before = f"{line[1:]}\n"
    return text


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what a run needs of the project."""
    for folder in ("src", "configs"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(PROJECT / folder, tmp_path / "clone" / folder, ignore=ignored)
    return tmp_path / "clone"


@pytest.fixture(scope="module")
def kth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people's videos of six actions, as KTH names them."""
    root = tmp_path_factory.mktemp("kth")
    for name in ("boxing", "handclapping", "handwaving", "jogging", "running", "walking"):
        (root / name).mkdir()
        for person in (11, 19, 22):
            path = root / name / f"person{person}_{name}_d1_uncomp.avi"
            write_video(path, numbered_frames(8, 32, 32), codec="mpeg4")
    return root


def train(project: Path, command: list[str], overrides: list[str]) -> set[str]:
    """Runs a command of the page in a project: the names of what it learned."""
    python, *words = command
    assert python == "python"
    run_dir = project / "logs" / "run"
    environment = {**os.environ, "PYTHONPATH": str(project / "src")}
    done = subprocess.run(
        [sys.executable, *words, *overrides, f"run_dir={run_dir}"],
        cwd=project, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    (last,) = run_dir.rglob("last.ckpt")
    return set(torch.load(last, weights_only=True)["state_dict"])


def test_the_page_has_an_example_for_each_thing_that_varies() -> None:
    assert {one.group for one in EXAMPLES.values()} == {"adapter", "head", "model", "data"}
    for one in EXAMPLES.values():
        assert len(one.files) == 2  # the code and its config
        assert (len(one.changes) == 1) == (one.group == "model")


@pytest.mark.slow
def test_all_examples_together_train_one_step(project: Path, kth: Path) -> None:
    choices = []
    for one in EXAMPLES.values():
        follow(project, one)
        choices.append(one.choice)
    overrides = [*SHORT, *(o for o in TINY["model"] if o not in SHAPES), f"data.root={kth}"]
    learned = train(project, ["python", "src/train.py", *choices], overrides)
    assert {"classifier.head.query", "classifier.backbone.blocks.1.shares"} <= learned


@pytest.mark.slow
@pytest.mark.parametrize("section", EXAMPLES)
def test_each_example_trains_one_step_by_itself(section: str, project: Path, kth: Path, shapes: list[str]) -> None:
    one = EXAMPLES[section]
    follow(project, one)
    root = f"data.root={kth}" if one.group == "data" else next(o for o in shapes if o.startswith("data.root="))
    assert train(project, one.command, [*SHORT, *TINY[one.group], root])


def loaded(section: str) -> ModuleType:
    """The code of a section as a module."""
    (code,) = (content for name, content in EXAMPLES[section].files.items() if name.endswith(".py"))
    module = ModuleType("example")
    sys.modules["example"] = module  # where dataclasses look their annotations up
    exec(code, vars(module))
    return module


def beit(**changes: Any) -> Any:
    """A small one with random weights everywhere, so that no zero or one hides a step left out."""
    sizes = {"img_size": 32, "num_classes": 0, **TINY_BEIT, **changes}
    net = timm.create_model("beitv2_base_patch16_224", pretrained=False, **sizes)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return net.eval()


@pytest.mark.parametrize("pool", ["avg", "token"])
@pytest.mark.parametrize("method", [Aim(temporal_in="all"), TimeSformer(), None], ids=["AIM", "TimeSformer", "own"])
@torch.no_grad()
def test_untrained_the_family_of_the_page_is_the_published_network(pool: str, method: Any) -> None:
    method = method or loaded("An adapter method").TemporalShift()
    net = beit(global_pool=pool)
    frames = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    expected = net(frames)
    encoder = loaded("An encoder family").TimmBeit(net)
    backbone = Backbone(encoder, method, 4, memory=Memory(skip_dead_work=False)).eval()
    assert torch.equal(backbone(frames.unflatten(0, (2, 4))).flatten(0, 1), expected)


def test_the_head_of_the_page_starts_as_the_mean_over_all_tokens() -> None:
    head = loaded("A head").OneQueryHead(8, 3)
    features = torch.randn(2, 4, 5, 8)
    torch.testing.assert_close(head(features), head.linear(features.mean((1, 2))))
