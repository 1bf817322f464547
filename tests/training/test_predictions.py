"""What a test writes of each video and class, by any protocol and any number of processes."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hydra.errors import InstantiationException
from omegaconf import DictConfig

from video_adapters.commands.config import config_names
from video_adapters.data.annotations import Video, Videos
from video_adapters.data.video.frame_source import DecodeError
from video_adapters.data.views import Views
from video_adapters.training.callbacks import predictions
from video_adapters.training.callbacks.predictions import (
    UNREAD,
    Scored,
    confusion,
    confusion_rows,
    per_class_rows,
    prediction_rows,
    worst_strips,
)

from helpers.rounding import BLOCK, rounding
from helpers.toy import composed, run, score

SRC = Path(__file__).parents[2] / "src"
NAMES = ("run", "sit", "wave")

# four videos: right, wrong, unread, right
SCORED = Scored(
    np.array([0, 1, 2, 4]),
    np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.3, 0.5], [0.0, 0.1, 0.9]], np.float32),
    np.array([True, True, False, True]),
)
VIDEOS = Videos([Video(f"{i}.mp4", label) for i, label in enumerate([0, 0, 2, 1, 2])])


def test_each_video_has_its_row() -> None:
    rows = prediction_rows(SCORED, VIDEOS, NAMES)
    assert [(row["video"], row["class"], row["readable"], row["correct"], row["top1"]) for row in rows] == [
        ("0.mp4", "run", True, True, "run"),
        ("1.mp4", "run", True, False, "sit"),
        ("2.mp4", "wave", False, False, ""),
        ("4.mp4", "wave", True, True, "wave"),
    ]
    assert [rows[0][f"probability{place}"] for place in (1, 2, 3)] == ["0.700000", "0.200000", "0.100000"]
    assert "top4" not in rows[0]


def test_confusion_counts_what_was_said_of_what_was_shown_and_what_was_not_read() -> None:
    assert confusion(SCORED, VIDEOS, 3).tolist() == [[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1]]
    assert confusion_rows(SCORED, VIDEOS, NAMES)[2] == {
        "shown \\ said": "2 wave", "0 run": 0, "1 sit": 0, "2 wave": 1, UNREAD: 1
    }  # fmt: skip


def test_classes_have_their_accuracy_where_they_occur() -> None:
    rows = per_class_rows(SCORED, VIDEOS, NAMES)
    assert [(r["class"], r["videos"], r["top1"], r["top5"], r["most often taken for"]) for r in rows] == [
        ("run", 2, "0.5000", "1.0000", "sit"),
        ("sit", 0, "", "", ""),
        ("wave", 2, "0.5000", "0.5000", ""),
    ]
    assert [(r["top1_low"], r["top1_high"]) for r in rows] == [("0.0945", "0.9055"), ("", ""), ("0.0945", "0.9055")]


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_no_answer(odd: float) -> None:
    """argmax would say the class of the odd one, or the first."""
    probabilities = SCORED.probabilities.copy()
    probabilities[3] = odd
    probabilities[0, 0] = odd
    scored = SCORED._replace(probabilities=probabilities)
    rows = prediction_rows(scored, VIDEOS, NAMES)
    assert [(row["readable"], row["correct"], row["top1"], row["probability1"]) for row in (rows[0], rows[3])] == [
        (True, False, "", "")
    ] * 2
    assert confusion(scored, VIDEOS, 3).tolist() == [[0, 1, 0, 1], [0, 0, 0, 0], [0, 0, 0, 2]]
    assert [row["top5"] for row in per_class_rows(scored, VIDEOS, NAMES)] == ["0.5000", "", "0.0000"]
    assert worst_strips(SCORED._replace(probabilities=np.full((4, 3), odd)), VIDEOS, NAMES) == []


def test_a_video_that_makes_no_strip_makes_room_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    def strip(video: Video) -> np.ndarray:
        if video.path == "1.mp4":
            raise DecodeError(video.path, "its last frame is cut")
        return np.zeros((2, 2, 3), np.uint8)

    monkeypatch.setattr(predictions, "film_strip", strip)
    wrong = Scored(SCORED.indices, np.roll(SCORED.probabilities, 1, axis=1), SCORED.readable)
    assert [caption for _, caption in worst_strips(wrong, VIDEOS, NAMES, count=2)] == [
        "run, taken for sit (70%): 0.mp4",
        "wave, taken for run (90%): 4.mp4",
    ]


@pytest.fixture(scope="module")
def trained(shapes: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    run(folder, *shapes, "data.max_videos=13", "batch.per_device=2", "optim.lr=1e-2")
    return folder


def test_a_run_leaves_the_tests_details_beside_its_scores(trained: Path) -> None:
    table = pd.read_csv(trained / "test" / "predictions.csv")
    chances = np.load(trained / "test" / "probabilities.npy")
    assert len(table) == len(chances) == 13
    np.testing.assert_allclose(chances.sum(1), 1, atol=rounding(chances.shape[1]))
    assert table["video"].is_unique
    assert pd.read_csv(trained / "test" / "confusion.csv").iloc[:, 1:].to_numpy().sum() == 13
    assert len(pd.read_csv(trained / "test" / "per_class.csv")) == 12


@pytest.mark.slow
def test_two_processes_score_as_one(trained: Path, tmp_path: Path) -> None:
    best = f"checkpoint={trained / 'checkpoints' / 'best.ckpt'}"
    alone = score(tmp_path / "one", best)
    command = [sys.executable, str(SRC / "eval.py"), best, f"run_dir={tmp_path / 'two'}", "trainer.devices=2"]
    environment = {**os.environ, "PYTHONPATH": str(SRC), "OMP_NUM_THREADS": "1"}
    more = ["logger=csv", "trainer.accelerator=cpu", f"hydra.run.dir={tmp_path / 'two'}"]
    done = subprocess.run([*command, *more], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "13 scored, of these 0 missing and 0 broken" in done.stdout
    one, two = (pd.read_csv(tmp_path / name / "predictions.csv", dtype=str) for name in ("one", "two"))
    columns = ["video", "class", "readable", "correct", "top1"]
    pd.testing.assert_frame_equal(one[columns], two[columns])
    chances = [np.load(tmp_path / name / "probabilities.npy") for name in ("one", "two")]
    np.testing.assert_allclose(chances[0], chances[1], rtol=0, atol=rounding(4 * BLOCK))
    for name in ("per_class", "confusion"):
        files = [(tmp_path / folder / f"{name}.csv").read_text() for folder in ("one", "two")]
        assert files[0] == files[1]
    figures = pd.read_csv(tmp_path / "two" / "metrics.csv")
    assert figures["test/top1"].iloc[0] == pytest.approx(alone["test/top1"])


PROTOCOLS = {
    "ssv2": (1, 3, 224),
    "k400": (3, 1, 256),
    "k400_swin": (4, 3, 224),
    "k700": (3, 3, 224),
    "diving48": (1, 1, 256),
    "single": (1, 1, 256),
}


@pytest.mark.parametrize("name", config_names("views"))
def test_protocols_are_those_of_the_paper(name: str) -> None:
    for experiment in ("aim_k400", "aim_swin_k400", "timesformer_k400"):  # two of them have views of their own
        views = composed(f"experiment={experiment}", f"views={name}").data.test_views
        _is_protocol(views, name)


def _is_protocol(views: DictConfig, name: str) -> None:
    made = Views(clips=views.clips, crops=views.crops, resize=views.resize)
    assert (made.clips, made.crops, made.short_side(224)) == PROTOCOLS[name]


def test_another_protocol_is_one_word(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    best = f"checkpoint={trained / 'checkpoints' / 'best.ckpt'}"
    score(tmp_path, best, "views=ssv2")
    assert "8 frames x 1 clip x 3 crops, short side 40, crop 40" in capsys.readouterr().out
    score(tmp_path, best, "views=single")
    assert "8 frames x 1 clip x 1 crop, short side 46, crop 40" in capsys.readouterr().out


def test_views_run_in_portions_and_score_the_same(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from video_adapters.model.classifier import VideoClassifier

    best = f"checkpoint={trained / 'checkpoints' / 'best.ckpt'}"
    sizes: list[int] = []
    forward = VideoClassifier.forward

    def counted(self: VideoClassifier, clips: torch.Tensor) -> torch.Tensor:
        sizes.append(len(clips))
        return forward(self, clips)

    monkeypatch.setattr(VideoClassifier, "forward", counted)
    for per_device in (2, 12):
        score(tmp_path / str(per_device), best, "views=ssv2", f"batch.per_device={per_device}")
        assert max(sizes) == per_device
        sizes.clear()
    chances = [np.load(tmp_path / str(n) / "probabilities.npy") for n in (2, 12)]
    np.testing.assert_allclose(chances[0], chances[1], rtol=0, atol=rounding(4 * BLOCK))


def test_an_unknown_size_of_the_views_is_refused() -> None:
    with pytest.raises(ValueError, match="resize is 'large', expected a number of pixels, or auto"):
        Views(resize="large")


def test_a_protocol_that_does_not_go_with_the_clips_is_refused_before_any_work(
    trained: Path, shapes: list[str], tmp_path: Path
) -> None:
    with pytest.raises(InstantiationException, match=r"data.test_views of 3 clips x 1 crop: 3 clips asked for"):
        run(tmp_path, *shapes, "views=k400")
    with pytest.raises(InstantiationException, match=r"data.val_views of 1 clip x 1 crop: crops of 40 do not"):
        run(tmp_path, *shapes, "data.val_views.resize=10")
    assert not (tmp_path / "run.json").exists()


def test_other_classes_are_not_scored(trained: Path, shapes: list[str], tmp_path: Path) -> None:
    content = torch.load(trained / "checkpoints" / "best.ckpt", weights_only=True)
    first, *others = content["origin"]["class_names"]
    content["origin"]["class_names"] = ["unheard of", *others]
    torch.save(content, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match=rf"label 0 is 'unheard of' to it and '{first}' there"):
        score(tmp_path / "eval", f"checkpoint={tmp_path / 'other.ckpt'}")
    content["origin"]["class_names"] = [str(label) for label in range(12)]  # numbers are anybody's
    torch.save(content, tmp_path / "numbers.ckpt")
    assert "test/top1" in score(tmp_path / "eval", f"checkpoint={tmp_path / 'numbers.ckpt'}")


def test_a_head_that_tells_the_classes_apart_in_another_order_scores_the_same(trained: Path, tmp_path: Path) -> None:
    content = torch.load(trained / "checkpoints" / "best.ckpt", weights_only=True)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    content["origin"]["class_names"] = [content["origin"]["class_names"][i] for i in order]
    for name in ("weight", "bias"):
        content["state_dict"][f"classifier.head.linear.{name}"] = content["state_dict"][
            f"classifier.head.linear.{name}"
        ][order]
    torch.save(content, tmp_path / "turned.ckpt")
    score(tmp_path / "turned", f"checkpoint={tmp_path / 'turned.ckpt'}")
    score(tmp_path / "plain", f"checkpoint={trained / 'checkpoints' / 'best.ckpt'}")
    turned, plain = (np.load(tmp_path / name / "probabilities.npy") for name in ("turned", "plain"))
    np.testing.assert_allclose(turned, plain, atol=1e-6)
