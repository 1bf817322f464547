"""One fact, one place: what each group of configs may say."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from video_adapters.commands.config import compose_config
from video_adapters.commands.errors import UserError

from helpers.toy import CONFIGS, composed


def content(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize("path", sorted((CONFIGS / "data").glob("*.yaml")), ids=lambda path: path.stem)
def test_data_sets_begin_with_the_base_and_leave_the_numbers_of_views_to_views(path: Path) -> None:
    tree = content(path)
    assert path.stem == "base" or tree["defaults"][0] in ("base", "folders", "k400", "moving_shapes")
    assert set(tree.get("test_views", {})) <= {"_target_", "resize"}


@pytest.mark.parametrize("path", sorted((CONFIGS / "experiment").glob("*.yaml")), ids=lambda path: path.stem)
def test_experiments_leave_the_numbers_of_views_to_views(path: Path) -> None:
    assert "test_views" not in content(path).get("data", {})


def test_views_of_the_command_line_come_before_the_experiments_own() -> None:
    own = composed("experiment=aim_swin_k400").data.test_views
    assert (own.clips, own.crops) == (4, 3)
    named = composed("experiment=aim_swin_k400", "views=single").data.test_views
    assert (named.clips, named.crops) == (1, 1)
    typed = composed("experiment=aim_swin_k400", "views=single", "data.test_views.clips=2").data.test_views
    assert (typed.clips, typed.crops) == (2, 1)


def test_a_data_config_without_the_base_is_told_what_an_experiment_needs_of_it(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.yaml").write_text("root: /videos\n")
    with pytest.raises(UserError, match=r"begin it with defaults: \[base\]"):
        compose_config("train", ["experiment=aim_swin_k400", "data=mine", f"hydra.searchpath=[file://{tmp_path}]"])
