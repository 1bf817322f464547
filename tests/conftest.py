"""What tests of several folders share. (That this file is here puts tests/ on the path: `from videos import ...`.)"""

import gc
from pathlib import Path

gc.disable()  # until everything is imported, as the commands do (see training/entry.py)

import pytest  # noqa: E402
import torch  # noqa: E402

from toy import SHAPES, SMALL, render  # noqa: E402

torch.set_num_threads(1)  # toy tensors are done before a second thread wakes up


def pytest_collection_finish() -> None:
    gc.enable()


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Overrides for a toy run on a small `moving_shapes`, rendered once per session."""
    root = tmp_path_factory.mktemp("shapes")
    render(root)
    return [*SMALL, *SHAPES, f"data.root={root}"]


@pytest.fixture(scope="session")
def shapes_list(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same videos as `path label` lists: a folder with train.txt (36 videos), val.txt (24) and classes.txt."""
    root = tmp_path_factory.mktemp("shapes_list")
    annotations = render(root)
    for split in ("train", "val"):
        lines = [f"{video.path} {video.label}\n" for video in annotations.videos(split)]
        (root / f"{split}.txt").write_text("".join(lines))
    (root / "classes.txt").write_text("".join(f"{name}\n" for name in annotations.class_names))
    return root
