"""The test's figures are called by what part its videos had in the training."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from video_adapters.analysis.runs.configurations import score_of
from video_adapters.analysis.runs.folder import read_runs
from video_adapters.analysis.runs.test_files import read_predictions
from video_adapters.analysis.tables import overview
from video_adapters.data.from_config import build_data
from video_adapters.training.callbacks.sweep_report import read_jobs

from helpers.toy import SMALL, composed, run, score
from helpers.videos import numbered_frames, write_video

FRAMES = ["data.image_size=32", "data.num_frames=4", "batch.per_step=2", "batch.per_device=2", "data.num_classes=2"]


def write_folders(root: Path, *splits: str) -> Path:
    """Two classes of two videos, in folders of splits where any are given."""
    for split in splits or (".",):
        for name in ("clap", "wave"):
            (root / split / name).mkdir(parents=True)
            for number in range(2):
                write_video(root / split / name / f"{number}.mp4", numbered_frames(9))
    return root


def folders(root: Path, *overrides: str) -> list[str]:
    return ["data=folders", f"data.root={root}", *FRAMES, *SMALL, *overrides]


def lists(root: Path, *splits: str) -> list[str]:
    write_folders(root)
    for split in splits:
        (root / f"{split}.txt").write_text("clap/0.mp4 0\nwave/0.mp4 1\n")
    given = [f"data.annotations.{split}={split}.txt" for split in splits if split == "test"]
    return ["data=list", f"data.root={root}", *FRAMES, *SMALL, *given]


def table(root: Path, *splits: str) -> list[str]:
    rows = [f"{name}/{split}.mp4,{name},{split}" for split in splits for name in ("clap", "wave")]
    (root / "videos.csv").write_text("\n".join(["path,label,split", *rows]) + "\n")
    return ["data=csv", f"data.root={root}", *FRAMES, *SMALL]


@pytest.mark.parametrize("kind", ["folders", "list", "csv"])
@pytest.mark.parametrize("splits", [("train", "val"), ("train", "val", "test")])
def test_the_test_split_is_taken_where_there_is_one(kind: str, splits: tuple[str, ...], tmp_path: Path) -> None:
    if kind == "csv":
        overrides = table(tmp_path, *splits)
    else:
        overrides = lists(tmp_path, *splits) if kind == "list" else folders(write_folders(tmp_path, *splits))
    data = build_data(composed(*overrides))
    assert data.splits["test"] == splits[-1]
    assert data.tested_as() == ("test" if "test" in splits else "val_as_test")
    assert data.tested_as(chosen=False) == "test"  # nothing was chosen by them


@pytest.mark.parametrize(("data", "name"), [("ssv2", "val_as_test"), ("k400", "val_as_test"), ("ucf101", "val_as_test"),
                                            ("diving48", "val_as_test"), ("moving_shapes", "test")])  # fmt: skip
def test_published_sets_whose_test_chooses_the_checkpoint_say_so(data: str, name: str, tmp_path: Path) -> None:
    cfg = composed(f"data={data}")
    splits = {use: cfg.data[f"{use}_split"] for use in ("val", "test")}
    assert (splits["val"] == splits["test"]) == (name == "val_as_test")


def test_validation_is_called_validation_on_the_screen_in_files_and_in_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, place = write_folders(tmp_path / "videos"), tmp_path / "runs" / "one"
    scores = run(place, *folders(root))
    shown = told(capsys)
    assert "the videos of 'val', which chose the checkpoint: expect less of others" in shown
    assert f"put videos into {root}/test/CLASS" in shown
    assert "(the test's are those of 'val' again)" in shown
    assert not [name for name in scores if name.startswith("test/")]
    noted = json.loads((place / "run.json").read_text())["scores"]
    columns = pd.read_csv(place / "metrics.csv").columns
    for names in (scores, noted, columns):
        assert "val_as_test/top1" in names
        assert not [name for name in names if name.startswith("test/")]
    assert not (place / "test").exists()
    assert len(read_predictions(place)) == noted["val_as_test/videos"]
    runs = read_runs(tmp_path / "runs")
    assert runs["finished"].all()
    assert score_of(runs) == "val_as_test/top1"
    assert "top-1 of validation, which chose the checkpoint, in the test's views (%)" in overview(runs)
    (job,) = read_jobs(tmp_path / "runs", ["one"])
    assert job.tested_as == "val_as_test"
    again = score(tmp_path / "eval", f"checkpoint={place / 'checkpoints' / 'best.ckpt'}")
    assert again["val_as_test/top1"] == pytest.approx(noted["val_as_test/top1"])
    assert "which chose the checkpoint: expect less of others" in told(capsys)


def told(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed, without the lines and the line breaks of tables."""
    return " ".join(re.sub(r"[^\w\s().,:;'/<>%=+-]", " ", capsys.readouterr().out).split())


def test_last_weights_that_nothing_chose_are_tested_and_so_are_own_test_videos(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_folders(tmp_path / "videos")
    stopping = "+callbacks.stop={_target_: lightning.pytorch.callbacks.EarlyStopping, monitor: val/top1}"
    unvalidated = ["trainer.check_val_every_n_epoch=2", stopping]
    assert "test/top1" in run(tmp_path / "last", *folders(root, *unvalidated))
    assert [path.name for path in (tmp_path / "last" / "checkpoints").iterdir()] == ["last.ckpt"]
    assert "chose the checkpoint" not in told(capsys)
    assert "test/top1" in run(tmp_path / "none", *folders(root, "callbacks.best=null"))
    assert "test/top1" in score(tmp_path / "eval", f"checkpoint={tmp_path / 'none' / 'checkpoints' / 'last.ckpt'}")
    assert "chose the checkpoint" not in told(capsys)
    root = write_folders(tmp_path / "divided", "train", "val", "test")
    assert "test/top1" in run(tmp_path / "own", *folders(root))
    assert (tmp_path / "own" / "test" / "predictions.csv").is_file()
