"""Training, validation and test look at videos at one scale, whatever the size of the frames that the encoder gets."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor

from video_adapters.commands.config import config_names
from video_adapters.data.clips.transform import TestTransform, TrainTransform
from video_adapters.data.views import Views

from helpers.toy import composed

EXPERIMENTS = config_names("experiment")
SIZES = (84, 224, 448)
HEIGHT, WIDTH = 240, 320
PUBLISHED = {1: 256, 3: 224}  # short side before crops of 224 are cut, by the number of crops


def ramp() -> np.ndarray:
    """A frame whose value rises from top to bottom, (1, H, W, 3) uint8: what is left of it says what was seen."""
    column = np.linspace(0, 255, HEIGHT).round().astype(np.uint8)
    return np.broadcast_to(column[None, :, None, None], (1, HEIGHT, WIDTH, 3)).copy()


def height_seen(clip: Tensor) -> float:
    """Share of the frame's height that a clip (T, 3, S, S) of it shows; a row's value is that of its middle."""
    rows = clip[0, 0].float().mean(1)
    return float(rows.max() - rows.min()) / 255 * (1 + 1 / (len(rows) - 1))


def seen_in_training(transform: TrainTransform) -> list[float]:
    """Of 20 clips, of their crops alone."""
    plain = replace(transform, rand_augment=None, color_jitter=None, erase=0.0)
    return [height_seen(plain(ramp(), 0, np.random.default_rng(seed))[0][0]) for seed in range(20)]


def seen_by(views: Views, image_size: int) -> float:
    transform = TestTransform(image_size, resize=views.short_side(image_size), crops=views.crops)
    return height_seen(transform(ramp())[0])


@cache
def seen_with(recipe: str, size: int) -> tuple[list[float], float, float]:
    """By training, validation and test; most experiments of a data set have them from the same recipe."""
    data = OmegaConf.create(recipe)
    val, test = (seen_by(instantiate(data[name]), size) for name in ("val_views", "test_views"))
    return seen_in_training(instantiate(data.train_transform, _convert_="all")(image_size=size)), val, test


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_the_image_size_reaches_every_view(experiment: str) -> None:
    cfg = composed(f"experiment={experiment}").data
    seen = []
    for size in SIZES:
        cfg.image_size = size
        parts = ("train_transform", "val_views", "test_views")
        recipe = {name: OmegaConf.to_container(cfg[name], resolve=True) for name in parts}
        train, val, test = seen_with(OmegaConf.to_yaml(recipe), size)
        assert min(train) - 0.05 < min(val, test) <= max(val, test) < max(train) + 0.05  # 20 draws, no extremes
        seen.append([*train, val, test])
    np.testing.assert_allclose(seen, [seen[1]] * len(SIZES), atol=0.02)  # rows are whole pixels, values whole numbers


@pytest.mark.parametrize("experiment", [name for name in EXPERIMENTS if not name.startswith("moving_shapes")])
def test_views_of_224_pixels_are_the_published_ones(experiment: str) -> None:
    cfg = composed(f"experiment={experiment}").data
    for views in (instantiate(cfg.val_views), instantiate(cfg.test_views)):
        assert views.short_side(cfg.image_size) == PUBLISHED[views.crops]


def test_the_published_resizing_before_a_training_crop_follows_the_image_size_too() -> None:
    fixed, follows = (TrainTransform(image_size=224, resize=resize) for resize in (256, "auto"))
    frame = np.random.default_rng(0).integers(0, 256, (1, HEIGHT, WIDTH, 3), np.uint8)
    for seed in range(3):
        clips = [transform(frame, 0, np.random.default_rng(seed))[0] for transform in (fixed, follows)]
        assert clips[0].equal(clips[1])
    sizes = [TrainTransform(image_size=size, resize="auto", area=(1, 1)) for size in SIZES]
    np.testing.assert_allclose(*(seen_in_training(one) for one in sizes[:2]), atol=0.02)


def test_a_short_side_of_ones_own_is_taken_and_one_that_is_too_small_says_what_follows_the_size() -> None:
    cfg = composed("experiment=aim_k400", "data.test_views.resize=300").data
    assert instantiate(cfg.test_views).short_side(224) == 300
    with pytest.raises(ValueError, match=r"crops of 224 do not fit in frames resized to 100; resize=auto follows"):
        TestTransform(224, resize=100)
