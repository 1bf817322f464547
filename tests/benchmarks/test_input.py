"""The benchmark of reading compares ways that read the same frames, and says which it had to leave out."""

import sys
from dataclasses import replace
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from video_adapters.data.video.decode import VideoReader

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in ("input", "input_files", "input_ways"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return import_module("input")


@pytest.fixture
def small(benchmark: Any) -> Any:
    """A file like SSv2's, but short and small."""
    return replace(benchmark.FILES[0], num_frames=10, height=48, width=64)


def test_ways_are_measured_side_by_side_and_missing_ones_named(benchmark: Any, small: Any, tmp_path: Path) -> None:
    console = Console(file=StringIO(), width=140)
    rows, sampling = benchmark.lay_out(small, tmp_path, 2, console)
    benchmark.measure(rows, sampling, small.num_frames, repeats=1)
    console.print(benchmark.table(rows, "small"))
    text = console.file.getvalue()
    measured = {row.way.name for row in rows}
    for way in benchmark.ways(None):
        assert f"{way.name} skipped: " in text or way.name in measured
    assert "ours, prepared copy" in text
    with VideoReader(str(rows[1].file)) as copy:
        assert (copy.codec, copy.num_frames) == ("h264", small.num_frames)
    assert all(len(row.total) == 1 and row.total[0] > 0 for row in rows)


def test_a_way_that_reads_other_frames_is_refused(benchmark: Any, small: Any, tmp_path: Path) -> None:
    path = tmp_path / small.name
    benchmark.write(small, path)
    ours = replace(benchmark.ways(None)[0], read=lambda path, indices: np.zeros((len(indices), 48, 64, 3), np.uint8))
    with pytest.raises(ValueError, match="ours returns other frames than"):
        benchmark._run(benchmark.Row(file=path, way=ours), [[3, 7]], np.random.default_rng(0))


def test_our_batch_is_normalised_as_by_the_model(benchmark: Any) -> None:
    ways = import_module("input_ways")
    clips = [torch.randint(0, 256, (1, 2, 8, 8, 3), dtype=torch.uint8).permute(0, 1, 4, 2, 3) for _ in range(2)]
    mean, std = (torch.tensor(values / 255).float().view(3, 1, 1) for values in (ways.MEAN, ways.STD))
    assert torch.equal(ways.batch_ours(clips), (torch.stack(clips) / 255 - mean) / std)
