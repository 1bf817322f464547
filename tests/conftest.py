"""Fixtures and hooks of all tests."""

import gc
import logging
import os
import signal
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = ["helpers.browser"]

gc.disable()  # until everything is imported, as the commands do (see commands/command.py)
# Torch and Lightning are imported below, where they are needed: pytest-xdist's own process reads this file, runs no
# test, and would keep all others waiting for them.


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--seed", type=int, default=0, help="other draws in every test and, unless 0, another order of tests"
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Shuffles files, and the tests of a file: alike in every process, as pytest-xdist needs it. The longest begins."""
    if seed := config.getoption("--seed"):
        items.sort(key=lambda item: [zlib.crc32(f"{seed} {name}".encode()) for name in (str(item.path), item.nodeid)])
    items.sort(key=lambda item: item.path.name != "test_default_run.py")  # minutes, for which nobody else would wait


def pytest_collection_finish() -> None:
    _let_propagate("torch")
    gc.freeze()  # what was imported stays
    gc.enable()


def _let_propagate(library: str) -> None:
    """Leaves its loggers to the root: of those that keep to themselves, sixty of torch, pytest takes each for itself,
    three times a test."""
    for name, logger in logging.root.manager.loggerDict.items():
        if name.partition(".")[0] == library and isinstance(logger, logging.Logger):
            logger.propagate = True


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Toy tensors are done before a second thread wakes up, and several sum in another order from run to run."""
    import torch

    torch.set_num_threads(1)


def pytest_configure() -> None:
    """Ctrl-C ends what tests start, even where a shell started them in the background, which has it ignored."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Of a testing process that died, says what pytest-xdist leaves out: the signal (below 0), or its exit code."""
    if error:
        print(f"{node.gateway.id} ended with status {node.gateway._io.popen.wait()}")


@pytest.fixture(autouse=True)
def _own_seed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test draws from a seed of its own, whatever ran before it."""
    from helpers.seeds import seeded

    with seeded(request.node.nodeid, request.config.getoption("--seed")):
        yield


@pytest.fixture(autouse=True)
def _as_found() -> Iterator[None]:
    """What a command changes of its process, such as Lightning's seed in the environment, ends with the test."""
    from hydra.core.global_hydra import GlobalHydra

    folder, environment, collects = os.getcwd(), dict(os.environ), gc.isenabled()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    os.chdir(folder)
    if os.environ != environment:
        os.environ.clear()
        os.environ.update(environment)
    (gc.enable if collects else gc.disable)()
    logging.captureWarnings(False)
    GlobalHydra.instance().clear()


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: Any, request: pytest.FixtureRequest) -> Generator[None, Any, Any]:
    """So does every fixture that tests share, whichever of them asks first."""
    if fixturedef.scope == "function":
        return (yield)
    from helpers.seeds import seeded

    name = f"{fixturedef.baseid}::{fixturedef.argname}[{request.param_index}]"
    with seeded(name, request.config.getoption("--seed")):
        return (yield)


@pytest.fixture(autouse=True, scope="session")
def _features_apart(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Features that runs keep go where they are removed with the tests' other files."""
    os.environ["FEATURES_DIR"] = str(tmp_path_factory.mktemp("features_dir"))


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Overrides for a toy run on a small `moving_shapes`, rendered once per session."""
    from helpers.toy import SHAPES, SMALL, render

    root = tmp_path_factory.mktemp("shapes")
    render(root)
    return [*SMALL, *SHAPES, f"data.root={root}"]


@pytest.fixture
def fp16_on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of 16-mixed compute in fp16, with its scaler, as on a GPU; without this they become bf16-mixed."""
    from lightning.pytorch.plugins import MixedPrecision  # here: tests of the data need nothing of it
    from lightning.pytorch.trainer.connectors.accelerator_connector import _AcceleratorConnector

    from video_adapters.model import hardware
    from video_adapters.training import trainer

    def precision(self: Any) -> Any:
        return MixedPrecision("16-mixed", "cpu") if self._precision_flag == "16-mixed" else before(self)

    before = _AcceleratorConnector._check_and_init_precision
    monkeypatch.setattr(_AcceleratorConnector, "_check_and_init_precision", precision)
    for module in (trainer, hardware):
        monkeypatch.setattr(module, "fitting_precision", lambda asked, *_, **__: asked)


@pytest.fixture(scope="session")
def shapes_list(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same videos as `path label` lists: a folder with train.txt (36 videos), val.txt (24) and classes.txt."""
    from helpers.toy import render

    root = tmp_path_factory.mktemp("shapes_list")
    annotations = render(root)
    for split in ("train", "val"):
        lines = [f"{video.path} {video.label}\n" for video in annotations.videos(split)]
        (root / f"{split}.txt").write_text("".join(lines))
    (root / "classes.txt").write_text("".join(f"{name}\n" for name in annotations.class_names))
    return root
