"""experiment=aim_ssv2 on a miniature of the data set: VP9 files, official json, a toy encoder, one process and two."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from video_adapters.training.callbacks.broken_videos import BrokenVideos

from helpers.rounding import BLOCK, rounding
from helpers.ssv2 import OLD_PREFIX, write_ssv2
from helpers.toy import SMALL, run, score

TRAIN, VAL = 21, 9  # divide neither by the batch nor by two processes
SRC = Path(__file__).parents[2] / "src"


@pytest.fixture(
    scope="module", params=["", pytest.param(OLD_PREFIX, marks=pytest.mark.slow)], ids=["new names", "old names"]
)
def any_ssv2(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ssv2(tmp_path_factory.mktemp("ssv2"), TRAIN, VAL, request.param)


@pytest.fixture(scope="module")
def ssv2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ssv2(tmp_path_factory.mktemp("ssv2"), TRAIN, VAL)


def overrides(root: Path) -> list[str]:
    small = ["data.image_size=32", "data.num_classes=3", "trainer.max_epochs=2"]
    return ["experiment=aim_ssv2", *SMALL, *small, f"data.root={root}"]


def test_the_miniature_trains_resumes_and_evaluates_with_three_crops(any_ssv2: Path, tmp_path: Path) -> None:
    scores = run(tmp_path, *overrides(any_ssv2), "trainer.max_epochs=1")
    assert scores["val_as_test/videos"] == VAL
    run(tmp_path, *overrides(any_ssv2), "trainer.max_epochs=2", f"resume={tmp_path}")
    content = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert content["global_step"] == 6  # two epochs of 21 videos, 8 a step
    assert content["origin"]["class_names"][0] == "Moving something up"
    again = score(tmp_path / "evaluation", f"checkpoint={tmp_path / 'checkpoints' / 'best.ckpt'}")
    assert again["val_as_test/videos"] == VAL
    assert content["origin"]["config"]["data"]["test_views"]["crops"] == 3


def test_a_moved_data_set_is_one_override(ssv2: Path, tmp_path: Path) -> None:
    run(tmp_path, *overrides(ssv2), "trainer.max_epochs=1", "test=false")
    moved = tmp_path / "elsewhere"
    moved.symlink_to(ssv2)
    checkpoint = f"checkpoint={tmp_path / 'checkpoints' / 'best.ckpt'}"
    assert score(tmp_path, checkpoint, f"data.root={moved}")["val_as_test/videos"] == VAL
    with pytest.raises(ValueError, match=str(tmp_path / "nowhere")):
        score(tmp_path, checkpoint, f"data.root={tmp_path / 'nowhere'}")


def test_broken_and_missing_videos_are_counted_listed_and_never_dropped_in_evaluation(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = write_ssv2(tmp_path / "ssv2", TRAIN, VAL)
    folder = root / "20bn-something-something-v2"
    (folder / "1000.webm").write_bytes(b"half a file")
    (folder / "1001.webm").unlink()
    (folder / f"{1000 + TRAIN}.webm").write_bytes(b"<html>not found</html>")
    (folder / f"{1001 + TRAIN}.webm").unlink()
    scores = run(tmp_path / "run", *overrides(root), "data.max_broken=0.1")
    assert scores["val_as_test/videos"] == VAL
    assert scores["val_as_test/unreadable"] == 2
    assert "train: 1 of 21 videos are missing and left out" in caplog.text
    broken = (tmp_path / "run" / "broken_videos.txt").read_text().splitlines()
    assert len(broken) == 1
    assert "1000.webm" in broken[0]
    unread = (tmp_path / "run" / "unread_tests.txt").read_text()
    assert f"{1000 + TRAIN}.webm" in unread
    assert f"{1001 + TRAIN}.webm" in unread


def test_too_many_broken_training_videos_stop_the_run(tmp_path: Path) -> None:
    root = write_ssv2(tmp_path / "ssv2", TRAIN, VAL)
    for number in (1000, 1001, 1002):
        (root / "20bn-something-something-v2" / f"{number}.webm").write_bytes(b"half a file")
    with pytest.raises(ValueError, match=r"of 21 training videos could not be read, more than data.max_broken=0.01"):
        run(tmp_path / "run", *overrides(root))
    assert 1 <= len((tmp_path / "run" / "broken_videos.txt").read_text().splitlines()) <= 3


def test_the_list_of_broken_videos_goes_on_with_a_resumed_run(tmp_path: Path) -> None:
    before = BrokenVideos(str(tmp_path / "broken.txt"))
    before.broken = {"a.mp4: empty": None, "b.mp4: cut": None}
    after = BrokenVideos(str(tmp_path / "broken.txt"))
    after.load_state_dict(before.state_dict())
    assert list(after.broken) == ["a.mp4: empty", "b.mp4: cut"]


@pytest.mark.slow
def test_two_processes_follow_the_losses_and_scores_of_one(ssv2: Path, tmp_path: Path) -> None:
    plain = [*overrides(ssv2), "head.dropout=0", "adapter.drop_path=0", "data.num_workers=1"]
    run(tmp_path / "1", *plain)
    command(tmp_path / "2", *plain, "trainer.devices=2")
    alone, together = (pd.read_csv(tmp_path / name / "metrics.csv") for name in ("1", "2"))
    for name in ("train/loss", "train/lr", "val/loss", "val_as_test/loss"):
        expected = alone[name].dropna().to_numpy()
        tolerance = rounding(2 * 4 * BLOCK, expected.max())  # four blocks, and back
        assert together[name].dropna().to_numpy() == pytest.approx(expected, abs=tolerance)
    scores = [f"val_as_test/{name}" for name in ("top1", "top5", "mean_class", "videos")]
    for name in (*scores, "val/top1", "val/videos"):
        assert together[name].dropna().tolist() == alone[name].dropna().tolist()
    assert together["val_as_test/videos"].dropna().tolist() == [VAL]


def command(folder: Path, *overrides: str) -> str:
    """Trains by the command line, in processes of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    arguments = [sys.executable, str(SRC / "train.py"), *overrides, f"hydra.run.dir={folder}"]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
