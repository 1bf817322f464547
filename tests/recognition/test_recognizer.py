"""A checkpoint in Python: the same numbers as the evaluation, wherever its encoder has gone."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from video_adapters.data.video.frame_source import DecodeError
from video_adapters.model.build import build_classifier
from video_adapters.model.finite_weights import NotFinite
from video_adapters.recognition import Recognizer
from video_adapters.recognition.load import load
from video_adapters.recognition.predict import Request, predict
from video_adapters.recognition.prediction import Prediction
from video_adapters.recognition.recognizer import chosen_device

from helpers.colours import coloured
from helpers.toy import composed, run, score


@pytest.mark.parametrize("views", [None, "ssv2"])
def test_probabilities_are_those_of_the_evaluation(trained: Path, views: str | None, tmp_path: Path) -> None:
    best = trained / "checkpoints" / "best.ckpt"
    score(tmp_path, f"checkpoint={best}", *([f"views={views}"] if views else []))
    expected = np.load(tmp_path / "probabilities.npy")
    videos = pd.read_csv(tmp_path / "predictions.csv")["video"]
    recognizer = Recognizer.from_checkpoint(best, device="cpu", views=views)
    assert len(videos) == 12
    for video, chances in zip(videos, expected, strict=True):
        np.testing.assert_allclose(recognizer(video).probabilities, chances, atol=1e-6)


def test_the_likeliest_classes_come_by_name_and_in_order() -> None:
    prediction = Prediction(("run", "sit", "wave"), np.array([0.25, 0.125, 0.625], np.float32))
    assert prediction.top(2) == [("wave", 0.625), ("run", 0.25)]
    assert len(prediction.top()) == 3


def test_what_is_named_is_the_likeliest_or_all_that_reach_their_thresholds() -> None:
    chances = np.array([0.25, 0.5, 0.625], np.float32)
    one = Prediction(("run", "sit", "wave"), chances)
    assert one.named() == [("wave", 0.625)]
    assert one._replace(thresholds=(0.25, 0.75, 0.5)).named() == [("wave", 0.625), ("run", 0.25)]
    assert one._replace(thresholds=(0.9, 0.9, 0.9)).named() == []


def test_one_window_over_the_whole_video_says_what_the_video_says(trained: Path) -> None:
    recognizer = Recognizer.from_checkpoint(trained / "checkpoints" / "best.ckpt", device="cpu", views="ssv2")
    (video,) = pd.read_csv(trained / "test" / "predictions.csv")["video"][:1]
    timeline = recognizer.timeline(video, window=60, stride=1)
    assert [(w.start, w.frames) for w in timeline.windows] == [(0, range(17))]
    np.testing.assert_allclose(timeline.probabilities[0], recognizer(video).probabilities, atol=1e-6)


def test_loading_leaves_the_random_numbers_of_the_caller_alone(trained: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    load(trained / "checkpoints" / "best.ckpt")
    assert torch.equal(torch.rand(2), expected)


def test_the_encoder_is_found_where_it_is_said_to_be_now(shapes: list[str], tmp_path: Path) -> None:
    classifier = build_classifier(composed(*shapes))
    encoder = classifier.backbone.encoder
    net = {name: value.clone() for name, value in encoder.net.state_dict().items()}
    for number, parts in enumerate(encoder.blocks):
        net |= {f"blocks.{number}.{name}": value.clone() for name, value in parts.block.state_dict().items()}
    save_file(net, tmp_path / "encoder.safetensors")
    run(tmp_path / "run", *shapes, f"model.weights={tmp_path}/encoder.safetensors", "data.max_videos=12", "test=false")
    best = tmp_path / "run" / "checkpoints" / "best.ckpt"
    shutil.move(tmp_path / "encoder.safetensors", tmp_path / "moved.safetensors")
    with pytest.raises(ValueError, match=r"reads as a file, but there is none.* --weights FILE"):
        Recognizer.from_checkpoint(best)
    Recognizer.from_checkpoint(best, weights=tmp_path / "moved.safetensors", device="cpu")
    save_file(net | {"cls_token": net["cls_token"] + 1}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="belongs to other frozen weights"):
        Recognizer.from_checkpoint(best, weights=tmp_path / "other.safetensors")


def test_what_cannot_be_read_says_why(recognizer: Recognizer, tmp_path: Path) -> None:
    (tmp_path / "note.mp4").write_text("no video")
    with pytest.raises(DecodeError, match=r"note\.mp4: "):
        recognizer(tmp_path / "note.mp4")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tpu", "the device is 'tpu', expected auto, cpu or cuda"),
        ("cuda:x", "the device is 'cuda:x', expected auto, cpu or cuda"),
        ("cuda:99", "torch finds [0-9]+ CUDA devices here"),
    ],
)
def test_a_device_that_is_not_there_is_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        chosen_device(name)


def test_unknown_views_are_refused_with_those_there_are(trained: Path) -> None:
    with pytest.raises(ValueError, match=r"no views 'k401' \(did you mean k400\?\), only: diving48, k400, .*ssv2"):
        Recognizer.from_checkpoint(trained / "checkpoints" / "best.ckpt", views="k401")


def test_scores_that_are_no_numbers_are_no_answer(
    recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recognizer.classifier.forward = lambda clips: torch.full((len(clips), 3), torch.nan)  # type: ignore[method-assign]
    video = str(coloured(tmp_path / "a.mp4", [("red", 12)]))
    with pytest.raises(NotFinite, match="the scores are no finite numbers in precision 32-true"):
        recognizer(video)
    monkeypatch.setattr(Recognizer, "from_checkpoint", lambda *_: recognizer)
    predict(Request(checkpoint=tmp_path / "a.ckpt", videos=[video], json=tmp_path / "o.json"))
    assert "no finite numbers" in json.loads((tmp_path / "o.json").read_text())[0]["unread"]
