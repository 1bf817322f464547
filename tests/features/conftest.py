"""A toy encoder on a handful of rendered videos, and a store of what it says of them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from video_adapters.features import FeatureStore

from helpers.feature_parts import Parts, parts_of


@pytest.fixture
def made(shapes: list[str], tmp_path: Path) -> Callable[..., Parts]:
    return lambda *overrides: parts_of(tmp_path / "features", shapes, *overrides)


@pytest.fixture(scope="session")
def parts(shapes: list[str], tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """With 24 validation videos in groups of 4."""
    return parts_of(tmp_path_factory.mktemp("features"), shapes)


@pytest.fixture(scope="session")
def store(parts: Parts) -> FeatureStore:
    """The validation videos' features, complete."""
    opened = parts.open()
    opened.compute()
    return opened
