"""The benchmark of training steps compares what it measures, and writes a table."""

import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
import torch

from helpers.toy import CONFIGS

FOLDER = CONFIGS.parent / "benchmarks"
SMALL = ["model=toy_clip", "data.image_size=32", "data.num_classes=5", "adapter.drop_path=0", "head.dropout=0"]


@pytest.fixture(scope="module")
def step() -> Iterator[Any]:
    sys.path.insert(0, str(FOLDER))  # as running the script does: it imports the plain implementation from beside it
    spec = spec_from_file_location("step", FOLDER / "step.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    module.command.set_up()
    yield module
    sys.path.remove(str(FOLDER))


@pytest.mark.slow
@pytest.mark.parametrize("overrides", [["experiment=aim_k400"], ["experiment=aim_ssv2", "model=toy_vit"]])
def test_the_plain_implementation_gives_the_same_losses_and_gradients(step: Any, overrides: list[str]) -> None:
    overrides = [*overrides[:1], *SMALL, *overrides[1:]]
    ways = list(step.built(overrides, 2))
    assert tuple(way.name for way in ways) == step.WAYS
    step.compare(ways, overrides, 2)
    with torch.no_grad():
        ways[1].parameters[-2].mul_(2)  # the head
    with pytest.raises(RuntimeError, match="ours differs from the plain implementation by"):
        step.compare(ways, overrides, 2)


@pytest.mark.slow
def test_every_way_is_measured_and_keeps_less_than_the_plain_one(step: Any, tmp_path: Path) -> None:
    overrides = ["experiment=aim_k400", *SMALL]
    rows = step.measure(list(step.built(overrides, 1)), 1, lambda name: 2**20)
    plain, ours, recomputed, half, beside, lean = rows
    assert 1 == plain.kept_ratio > ours.kept_ratio > recomputed.kept_ratio > half.kept_ratio > 0
    assert beside.kept > lean.kept > 0
    document = tmp_path / "README.md"
    document.write_text(f"before\n{step.BEGIN}\nold\n{step.END}\nafter\n")
    step.write(step.markdown(rows, "what"), document)
    text = document.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| ours, recompute_mlp |" in text


def test_a_model_without_a_plain_form_is_measured_alone(step: Any, capsys: pytest.CaptureFixture[str]) -> None:
    overrides = ["experiment=aim_swin_k400", *SMALL, "model=toy_swin", "data.image_size=32"]
    assert next(step.built(overrides, 1)).name == "ours"
    assert "without a plain implementation" in capsys.readouterr().out


def test_ours_is_not_compared_with_itself(step: Any) -> None:
    way = step.Way("plain", ["experiment=aim_k400", *SMALL], 1, plain=True)
    kinds = {type(module).__name__ for module in way.model.blocks.modules()}
    assert "MultiheadAttention" in kinds
    assert {"QuickGelu", "AimBlock", "Adapter"}.isdisjoint(kinds)
