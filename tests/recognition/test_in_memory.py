"""Videos that are in memory are recognised as their files are."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from video_adapters.data.annotations import Video
from video_adapters.data.video.reader import open_video
from video_adapters.recognition import Recognizer

from helpers.colours import coloured


def test_arrays_tensors_and_pictures_say_what_their_file_says(recognizer: Recognizer, tmp_path: Path) -> None:
    path = coloured(tmp_path / "a.mp4", [("red", 5), ("green", 8)])
    with open_video(Video(str(path), -1)) as span:
        frames = span.read(range(13))
    expected = recognizer(path).probabilities
    for video in (frames, torch.from_numpy(frames), list(frames), [Image.fromarray(frame) for frame in frames]):
        np.testing.assert_array_equal(recognizer(video).probabilities, expected)


def test_a_list_of_videos_is_a_batch_in_their_order(recognizer: Recognizer, tmp_path: Path) -> None:
    paths = [coloured(tmp_path / f"{name}.mp4", [(name, 6)]) for name in ("green", "red", "blue", "red")]
    assert [one.top(1)[0][0] for one in recognizer(paths)] == ["green", "red", "blue", "red"]
    arrays = [np.full((6, 32, 48, 3), value, np.uint8) for value in ((220, 0, 0), (0, 0, 220))]
    assert [one.top(1)[0][0] for one in recognizer([*arrays])] == ["red", "blue"]
    assert [one.top(1)[0][0] for one in recognizer([list(arrays[1]), paths[0]])] == ["blue", "green"]
    for one, path in zip(recognizer(paths), paths, strict=True):
        np.testing.assert_array_equal(one.probabilities, recognizer(path).probabilities)


def test_features_are_what_the_head_sees(trained: Path) -> None:
    recognizer = Recognizer.from_checkpoint(trained / "checkpoints" / "best.ckpt", device="cpu", views="ssv2")
    videos = list(pd.read_csv(trained / "test" / "predictions.csv")["video"][:3])
    features = recognizer.features(videos)
    assert features.shape == (3, 3, 8, 32)  # videos, crops, frames, the toy's width
    assert features.dtype == np.float32
    np.testing.assert_allclose(recognizer.features(videos[0]), features[0], atol=1e-5)
    with torch.no_grad():
        logits = recognizer.classifier.head(torch.from_numpy(features).flatten(0, 1))
    chances = logits.softmax(-1).unflatten(0, (3, 3)).mean(1).numpy()
    np.testing.assert_allclose(chances, [one.probabilities for one in recognizer(videos)], atol=1e-6)


@pytest.mark.parametrize(
    ("video", "message"),
    [
        (np.zeros((4, 3, 32, 32), np.uint8), r"given as uint8 of shape \(4, 3, 32, 32\); expected RGB frames"),
        (np.zeros((4, 32, 32, 3), np.float32), r"given as float32 of shape \(4, 32, 32, 3\); expected .* uint8"),
        (np.zeros((32, 32, 3), np.uint8), r"of shape \(32, 32, 3\)"),
        ([np.zeros((32, 32, 3), np.uint8), np.zeros((30, 32, 3), np.uint8)], r"differ in size: \[\(30, 32, 3\), "),
        ([], "no video was given: the list is empty"),
        (7, "a video was given as int; .* or the path of a file or folder"),
    ],
)
def test_what_is_no_video_is_refused_with_what_one_is(recognizer: Recognizer, video: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        recognizer(video)
