"""The table of predicted and measured memory."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from video_adapters.memory.allocator import most_alive
from video_adapters.memory.storage_log import Recorder
from video_adapters.model.build import build_classifier
from video_adapters.training.planning.trace import workload

from helpers.toy import CONFIGS

PROJECT = CONFIGS.parent
spec = spec_from_file_location("memory", PROJECT / "benchmarks" / "memory.py")
assert spec
assert spec.loader
memory = module_from_spec(spec)
spec.loader.exec_module(memory)

MIB = 2**20


def rows_of(text: str) -> dict[str, tuple[float, float]]:
    """Predicted and measured MiB by case, as a document has them."""
    table = text.split(memory.BEGIN)[1].split(memory.END)[0]
    cells = [line.strip("| ").split(" | ") for line in table.strip().splitlines()[2:]]
    return {case: (float(predicted), float(measured)) for case, predicted, measured, _ in cells}


def test_the_table_replaces_the_one_before_and_nothing_else(tmp_path: Path) -> None:
    document = tmp_path / "README.md"
    document.write_text(f"before\n\n{memory.BEGIN}\nan older table\n{memory.END}\n\nafter\n")
    for _ in range(2):
        memory.write([memory.Row("ViT", 1000 * MIB, 1025 * MIB)], document)
        text = document.read_text()
        assert text.startswith(f"before\n\n{memory.BEGIN}\n\n| two steps of |")
        assert text.endswith(f"|\n\n{memory.END}\n\nafter\n")
        assert "older" not in text
        assert "| ViT | 1000 | 1025 | +2.5% |" in text


def test_a_document_without_room_for_the_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(memory.BEGIN)
    with pytest.raises(ValueError, match="lacks the markers"):
        memory.write([], tmp_path / "README.md")


@pytest.mark.slow
def test_every_case_composes() -> None:
    for case in memory.CASES:
        assert memory.composed(case).trainer.precision == "32-true"


def test_the_table_that_is_there_has_every_case_above_500_mib_and_within_3_percent() -> None:
    rows = rows_of(memory.DOCUMENT.read_text())
    assert rows.keys() == memory.CASES.keys()
    for predicted, measured in rows.values():
        assert predicted > 500
        assert abs(measured / predicted - 1) <= 0.03


@pytest.mark.parametrize(
    "case",
    [
        "ViT, AIM, half of the blocks recomputed",
        pytest.param("CLIP's ViT, AIM on SSv2", marks=pytest.mark.slow),
        pytest.param("Swin, AIM", marks=pytest.mark.slow),
    ],
)
def test_steps_that_are_run_for_real_leave_the_log_that_was_predicted(case: str) -> None:
    cfg = memory.composed(case)
    cfg.data.image_size, cfg.data.num_frames, cfg.batch.per_device = 64, 4, 2
    if cfg.memory.checkpoint_blocks:
        cfg.model.encoder.depth, cfg.memory.checkpoint_blocks = 2, 1
    work = workload(cfg, None, build_classifier(cfg))
    recorder = Recorder()
    recorder.hold([*work.module.parameters(), *work.module.buffers()])
    held = most_alive(recorder.log)
    with recorder:
        memory._run(work, 2)
    assert most_alive(recorder.log) - held == memory.predict(cfg)
