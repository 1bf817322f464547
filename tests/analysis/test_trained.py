"""A run's network and videos, loaded from its folder."""

from pathlib import Path

import pytest
import torch

from video_adapters.analysis.finding import Unanswerable
from video_adapters.analysis.runs.folder import read_runs
from video_adapters.analysis.runs.trained import best_run, clip_of, load_data, load_run

from helpers.written_runs import METRICS, write_run


def test_the_best_run_is_the_finished_one_with_a_checkpoint(tmp_path: Path) -> None:
    for name, top1, finished in (("a", "0.70", True), ("b", "0.90", False), ("c", "0.80", True), ("d", "0.95", True)):
        changed = METRICS.replace("0.75", top1).replace("0.7\n", "0.7\n" if finished else "\n")
        run = write_run(tmp_path / name, metrics=changed)
        if name != "d":
            (run / "checkpoints").mkdir()
            (run / "checkpoints" / "best.ckpt").touch()
    assert best_run(read_runs(tmp_path)) == str(tmp_path / "c")
    for run in tmp_path.iterdir():
        (run / "checkpoints" / "best.ckpt").unlink(missing_ok=True)
    with pytest.raises(Unanswerable, match="None of 4 runs has finished and kept"):
        best_run(read_runs(tmp_path))


def test_some_videos_are_spread_over_the_list(toy_runs: Path) -> None:
    trained = load_run(toy_runs / "runs" / "toy" / "aim", max_videos=12, device="cpu")
    labels = torch.cat([batch.labels[batch.weights > 0] for batch in trained.data.test_dataloader()])
    assert len(labels) == 12
    assert len(labels.unique()) > 6
    assert not trained.classifier.training


def test_a_video_is_seen_as_the_test_sees_it(toy_runs: Path) -> None:
    run = toy_runs / "runs" / "toy" / "aim"
    trained = load_run(run, device="cpu")
    first = next(iter(trained.data.test_dataloader())).clips[0, 0]
    data = load_data(run)
    assert torch.equal(clip_of(data, data.videos("test")[0]), first)


def test_what_has_moved_or_is_missing_is_said(tmp_path: Path, toy_runs: Path) -> None:
    with pytest.raises(Unanswerable, match=r"cannot be looked into: there is no checkpoint file at .*best\.ckpt"):
        load_run(tmp_path)
    with pytest.raises(Unanswerable, match="are not found: "):
        load_data(tmp_path)


def test_videos_may_lie_elsewhere_now(toy_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = toy_runs / "runs" / "toy" / "aim"
    there = Path(load_data(run).root)
    (tmp_path / "moved").symlink_to(there)
    monkeypatch.chdir(tmp_path)
    for moved in (tmp_path / "moved", "moved"):  # a relative one is the current folder's, as on any command line
        videos = load_run(run, data_root=moved, device="cpu").data.videos("test")
        assert all(video.path.startswith(str(tmp_path / "moved")) for video in videos)


def test_no_videos_are_rendered_where_there_should_be_some(toy_runs: Path, tmp_path: Path) -> None:
    with pytest.raises(Unanswerable, match=r"are not found: .*gone is no folder"):
        load_data(toy_runs / "runs" / "toy" / "aim", tmp_path / "gone")
    assert not (tmp_path / "gone").exists()
