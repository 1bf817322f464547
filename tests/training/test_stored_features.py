"""Runs in which nothing below the head trains read their clips' features, to the scores of the network."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from video_adapters.data import dataset
from video_adapters.data.video.reader import open_video
from video_adapters.training.callbacks.last_checkpoint import LastCheckpoint
from video_adapters.training.stored_features import of_this_place

from helpers.toy import SMALL, composed, run, score

FROZEN = ["adapter=frozen", "head=mean_standardised", "trainer.max_epochs=2", "optim.lr=0.05"]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The videos that are opened."""
    paths: list[str] = []

    def counting(video: Any, strict: bool = False) -> Any:
        paths.append(video.path)
        return open_video(video, strict)

    monkeypatch.setattr(dataset, "open_video", counting)
    return paths


def test_a_second_run_opens_no_video_and_scores_are_the_networks(
    shapes: list[str], tmp_path: Path, opened: list[str]
) -> None:
    overrides = [*shapes, *FROZEN, f"features.root={tmp_path / 'features'}"]
    first = run(tmp_path / "first", *overrides)
    assert len(opened) == 36 + 24 + 24
    second = run(tmp_path / "second", *overrides)
    assert len(opened) == 36 + 24 + 24
    assert second == first
    network = score(tmp_path / "scored", f"checkpoint={tmp_path / 'first' / 'checkpoints' / 'best.ckpt'}")
    assert len(opened) == 36 + 24 + 24 + 24
    for name in ("test/top1", "test/top5", "test/mean_class", "test/loss"):
        assert network[name] == pytest.approx(first[name], abs=1e-5)
    ours, its = (np.load(folder / "probabilities.npy") for folder in (tmp_path / "first" / "test", tmp_path / "scored"))
    np.testing.assert_allclose(np.log(ours), np.log(its), rtol=0, atol=1e-5)


@pytest.mark.slow
def test_one_key_trains_on_clips_instead(shapes: list[str], tmp_path: Path, opened: list[str]) -> None:
    root = tmp_path / "features"
    run(tmp_path / "run", *shapes, *FROZEN, f"features.root={root}", "features.use=false", "test=false")
    assert len(opened) == 2 * (36 + 24)
    assert not root.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [["model=toy_clip"], ["model.depth=3"], ["data.test_views.crops=3"], ["head=map", "head.reads=tokens"]],
    ids=str,
)
def test_so_are_those_of_other_features(shapes: list[str], tmp_path: Path, opened: list[str], more: list[str]) -> None:
    overrides = [*shapes, *FROZEN, f"features.root={tmp_path / 'features'}", *more]
    first = run(tmp_path / "first", *overrides)
    network = score(tmp_path / "scored", f"checkpoint={tmp_path / 'first' / 'checkpoints' / 'best.ckpt'}")
    assert network["test/loss"] == pytest.approx(first["test/loss"], abs=1e-3)


@pytest.mark.slow
def test_a_run_goes_on_bit_for_bit(shapes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    overrides = [*shapes, *FROZEN, f"features.root={tmp_path / 'features'}", "features.views=2"]
    whole = run(tmp_path / "whole", *overrides)
    hook = LastCheckpoint.on_train_epoch_end

    def stopping(self: LastCheckpoint, trainer: Any, module: Any) -> None:
        hook(self, trainer, module)
        raise InterruptedError

    monkeypatch.setattr(LastCheckpoint, "on_train_epoch_end", stopping)
    with pytest.raises(InterruptedError):
        run(tmp_path / "parts", *overrides)
    monkeypatch.setattr(LastCheckpoint, "on_train_epoch_end", hook)
    assert run(tmp_path / "parts", f"resume={tmp_path / 'parts'}") == whole


@pytest.mark.slow
def test_broken_videos_are_named_counted_and_scored_as_wrong(
    shapes_list: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for split in ("train", "val"):
        lines = (shapes_list / f"{split}.txt").read_text().splitlines()
        broken = tmp_path / f"{split}.mp4"
        broken.write_bytes(b"no video")
        (tmp_path / f"{split}.txt").write_text("\n".join([f"{broken} 3", *lines[1:]]) + "\n")
    (tmp_path / "classes.txt").write_text((shapes_list / "classes.txt").read_text())
    data = ["data=list", f"data.root={tmp_path}", "data.num_classes=12", "data.image_size=40", "data.max_broken=0.1"]
    toy = list(SMALL)
    root = f"features.root={tmp_path / 'features'}"
    scores = run(tmp_path / "run", *toy, *FROZEN, *data, root)
    assert scores["val_as_test/unreadable"] == 1
    assert scores["val_as_test/videos"] == 24
    assert "train.mp4" in (tmp_path / "run" / "broken_videos.txt").read_text()
    assert "val.mp4" in (tmp_path / "run" / "unread_tests.txt").read_text()
    rows = pd.read_csv(tmp_path / "run" / "val_as_test" / "predictions.csv")
    assert rows["readable"].tolist() == [False] + [True] * 23


def test_runs_of_before_there_were_any_go_on_without(tmp_path: Path) -> None:
    features = composed().features
    old = of_this_place(OmegaConf.create({"data": {}}), features)
    assert (old.features.use, old.features.root) == (False, features.root)
    moved = of_this_place(OmegaConf.create({"features": {**features, "root": "/elsewhere", "views": 3}}), features)
    assert (moved.features.use, moved.features.views, moved.features.root) == ("auto", 3, features.root)


def test_an_unknown_use_is_refused(shapes: list[str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"features\.use is always, expected auto, side or false"):
        run(tmp_path, *shapes, *FROZEN, "features.use=always")


BESIDE = ["adapter=side4video_shapes", "features.use=side", "data.max_videos=4", "batch.per_step=4"]


@pytest.mark.slow
def test_a_side_network_trains_on_stored_tokens(
    shapes: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = [*shapes, *BESIDE, f"features.root={tmp_path / 'features'}", "features.views=2", "trainer.max_epochs=2"]
    first = run(tmp_path / "first", *overrides)
    assert "yet to be written" in capsys.readouterr().out
    network = score(tmp_path / "scored", f"checkpoint={tmp_path / 'first' / 'checkpoints' / 'best.ckpt'}")
    assert network["test/loss"] == pytest.approx(first["test/loss"], abs=1e-3)


def test_stored_tokens_are_for_side_networks_alone(shapes: list[str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"features.use=side .* this adapter has none: give features.use=auto, or"):
        run(tmp_path / "run", *shapes, "features.use=side")
