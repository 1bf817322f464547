"""Runs that several files of this folder look into."""

from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest

matplotlib.use("agg")

from helpers.toy import WITH_SPEED, run

VARIANTS = {
    "aim": ["adapter=aim"],
    "half": ["adapter=aim", "adapter.ratio=0.5"],
    "none": ["adapter=none"],
}
"""A sweep over ratio, and two rungs of the ladder."""


@pytest.fixture(autouse=True)
def no_figures_of_other_tests() -> None:
    plt.close("all")


@pytest.fixture(scope="session")
def toy_runs(shapes: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs on small moving shapes, with adapters in several ways and without."""
    folder = tmp_path_factory.mktemp("logs")
    for name, variant in VARIANTS.items():
        run(folder / "runs" / "toy" / name, *shapes, *variant, WITH_SPEED)
    return folder
