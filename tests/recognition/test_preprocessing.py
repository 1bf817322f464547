"""What the json beside an exported network says is enough to give the network what we give it."""

import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from video_adapters.data.clips.sample import Sampling, Segments, Strided
from video_adapters.data.clips.transform import TestTransform
from video_adapters.data.dataset import read_views
from video_adapters.data.views import Views
from video_adapters.recognition.in_memory import Frames
from video_adapters.recognition.preprocessing import preprocessing


def anew(video: np.ndarray, facts: dict[str, Any]) -> np.ndarray:
    """The views by the sentences of the json, with nothing of ours: (n, H, W, 3) -> (V, T, 3, S, S)."""
    clips = _segments(len(video), facts["frames"]) if facts["frames"]["rule"] == "segments" else None
    clips = clips or _strided(len(video), facts["frames"])
    views = []
    for clip in clips:
        frames = np.stack([_resized(video[i], facts["resize"]["short_side"]) for i in clip])
        for top, left in _corners(*frames.shape[1:3], facts["crop"]):
            size = facts["crop"]["size"]
            views.append(frames[:, top : top + size, left : left + size].transpose(0, 3, 1, 2))
    return np.stack(views)


def _segments(n: int, facts: dict[str, Any]) -> list[list[int]]:
    step = (n - 1) / facts["num_frames"]
    bound = [round(step * i) for i in range(facts["num_frames"] + 1)]
    return [[(bound[i] + bound[i + 1]) // 2 for i in range(facts["num_frames"])]]


def _strided(n: int, facts: dict[str, Any]) -> list[list[int]]:
    share = max(0, n - facts["num_frames"] * facts["stride"] + 1) / facts["clips"]
    starts = [int(share * c + share / 2) for c in range(facts["clips"])]
    return [[(start + i * facts["stride"]) % n for i in range(facts["num_frames"])] for start in starts]


def _resized(frame: np.ndarray, short_side: int) -> np.ndarray:
    height, width = frame.shape[:2]
    shorter, longer = sorted((height, width))
    other = short_side * longer // shorter
    size = (short_side, other) if width == shorter else (other, short_side)
    return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BILINEAR))


def _corners(height: int, width: int, facts: dict[str, Any]) -> list[tuple[int, int]]:
    down, right = height - facts["size"], width - facts["size"]
    if facts["crops"] == 1:
        return [(down // 2, right // 2)]
    if width >= height:
        return [(down // 2, left) for left in (0, right // 2, right)]
    return [(top, right // 2) for top in (0, down // 2, down)]


@pytest.mark.parametrize("shape", [(61, 97), (97, 60), (24, 24)])
@pytest.mark.parametrize("length", [3, 50])
@pytest.mark.parametrize(
    ("sampling", "views"),
    [
        (Segments(num_frames=4), Views()),
        (Segments(num_frames=4), Views(crops=3)),
        (Strided(num_frames=4, stride=3), Views(clips=3)),
        (Strided(num_frames=4, span=8), Views(clips=2, crops=3, resize=40)),
    ],
    ids=["segments", "segments, 3 crops", "strided, 3 clips", "strided, 2 clips x 3 crops"],
)
def test_views_made_by_the_description_alone_are_ours(
    sampling: Sampling, views: Views, length: int, shape: tuple[int, int]
) -> None:
    video = np.random.default_rng(0).integers(0, 256, (length, *shape, 3), np.uint8)
    facts = json.loads(json.dumps(preprocessing(sampling, views, 28)))
    transform = TestTransform(28, resize=views.short_side(28), crops=views.crops)
    ours = read_views(Frames(video), sampling, transform, views.clips).numpy()
    theirs = anew(video, facts)
    assert ours.shape == theirs.shape == (len(views), 4, 3, 28, 28)
    # both round the same sums, which fixed-point weights leave off by less than one
    assert np.abs(ours.astype(int) - theirs).max() <= 1
    assert (ours == theirs).mean() > 0.9


def test_every_number_stands_under_its_name_and_every_step_has_its_sentence() -> None:
    facts = preprocessing(Strided(num_frames=16, stride=4), Views(clips=3, crops=3, resize=224), 224)
    assert all(step["how"].endswith((".", ".)")) for step in facts.values())
    assert (facts["frames"]["num_frames"], facts["frames"]["stride"], facts["frames"]["clips"]) == (16, 4, 3)
    assert (facts["resize"]["short_side"], facts["crop"]["size"], facts["crop"]["crops"]) == (224, 224, 3)
