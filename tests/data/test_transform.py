import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from torchvision.transforms.v2 import functional as F

from video_adapters.data.clips.augment import RandAugment
from video_adapters.data.clips.transform import TestTransform, TrainTransform

from helpers.toy import CONFIGS

WHOLE = {"area": (1, 1), "aspect": (1, 1)}  # of square frames, the crop is all


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def make_frames(num_frames: int = 4, height: int = 48, width: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (num_frames, height, width, 3), np.uint8)


def positions(height: int, width: int) -> np.ndarray:
    """One frame whose red is the row and whose green is the column: a crop tells where it is from -> (1, H, W, 3)."""
    rows, columns = np.indices((height, width))
    return np.stack([rows, columns, 0 * rows], -1).astype(np.uint8)[None]


EVERYTHING = TrainTransform(
    image_size=32, flip=0.5, color_jitter=0.4, rand_augment=RandAugment(), erase=0.5, flip_pairs=[(0, 1)]
)


@pytest.mark.parametrize(
    "transform", [TrainTransform(image_size=32), TrainTransform(image_size=32, resize=40), EVERYTHING]
)
@pytest.mark.parametrize("num_frames", [1, 4])
def test_a_training_clip_is_uint8_and_channels_last(transform: TrainTransform, num_frames: int) -> None:
    for seed in range(10):
        clip, _ = transform(make_frames(num_frames), 7, generator(seed))
        assert clip.shape == (1, num_frames, 3, 32, 32)
        assert clip.dtype == torch.uint8
        assert clip.permute(0, 1, 3, 4, 2).is_contiguous()


def test_a_training_clip_follows_its_generator() -> None:
    (first, _), (same, _), (other, _) = (EVERYTHING(make_frames(), 0, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_global_random_state_is_not_touched() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    EVERYTHING(make_frames(), 0, generator())
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]  # noqa: NPY002


@pytest.mark.parametrize("seed", range(10))
def test_all_frames_are_changed_alike(seed: int) -> None:
    still = make_frames(1).repeat(4, 0)
    clip, _ = EVERYTHING(still, 0, generator(seed))
    assert (clip == clip[:, :1]).all()


def test_frames_handed_in_are_left_alone() -> None:
    frames = make_frames()
    for seed in range(5):
        EVERYTHING(frames, 0, generator(seed))
    np.testing.assert_array_equal(frames, make_frames())


def test_without_randomness_the_frames_are_resized_as_by_torchvision() -> None:
    frames = make_frames(4, 64, 64)
    clip, label = TrainTransform(image_size=24, **WHOLE)(frames, 3, generator())
    expected = F.resize(torch.from_numpy(frames).permute(0, 3, 1, 2).contiguous(), [24, 24], antialias=True)
    assert label == 3
    assert torch.equal(clip[0], expected)
    twice, _ = TrainTransform(image_size=24, resize=40, **WHOLE)(frames, 3, generator())
    first = F.resize(torch.from_numpy(frames).permute(0, 3, 1, 2).contiguous(), [40, 40], antialias=True)
    assert torch.equal(twice[0], F.resize(first, [24, 24], antialias=True))


def test_the_crop_is_a_piece_of_the_frames() -> None:
    transform = TrainTransform(image_size=30, area=(30 * 30 / (60 * 90),) * 2, aspect=(1, 1))  # 30 x 30: not resized
    corners = set()
    for seed in range(400):
        clip, _ = transform(positions(60, 90), 0, generator(seed))
        top, left = clip[0, 0, :2, 0, 0].tolist()
        np.testing.assert_array_equal(
            clip[0, 0].permute(1, 2, 0), positions(60, 90)[0, top : top + 30, left : left + 30]
        )
        corners.add((top, left))
    rows, columns = zip(*corners, strict=True)
    assert (min(rows), max(rows), min(columns), max(columns)) == (0, 30, 0, 60)


def test_crops_keep_to_area_and_aspect() -> None:
    transform = TrainTransform(image_size=8, area=(0.08, 1), aspect=(3 / 4, 4 / 3))
    drawn = generator()
    crops = np.array([transform._crop(240, 320, drawn)[2:] for _ in range(2000)])
    area, aspect = crops.prod(1) / (240 * 320), crops[:, 1] / crops[:, 0]
    assert 0.079 < area.min() < 0.1
    assert 0.9 < area.max() <= 1
    assert 0.74 < aspect.min() < 0.76
    assert 1.32 < aspect.max() < 1.34
    # Shares up to 0.56 fit whatever the aspect (0.75 * 0.75 of the frame's 4/3), so these are uniform.
    small = area[area < 0.56]
    assert abs(small.mean() - (0.08 + 0.56) / 2) < 0.02


def test_where_no_crop_fits_the_largest_central_one_is_taken() -> None:
    transform = TrainTransform(image_size=8, area=(1, 1))
    # 10 x 100, width at most 4/3 of the height: 13 of 100 columns; and 10 columns at least 3/4 of 13 rows.
    assert transform._crop(10, 100, generator()) == (0, 43, 10, 13)
    assert transform._crop(100, 10, generator()) == (43, 0, 13, 10)


def test_a_flip_mirrors_frames_and_swaps_paired_labels() -> None:
    frames = make_frames(2, 32, 32)
    flipping = TrainTransform(image_size=32, flip=1.0, flip_pairs=[(86, 87), (93, 94)], **WHOLE)
    for label, expected in [(86, 87), (87, 86), (94, 93), (5, 5)]:
        clip, flipped = flipping(frames, label, generator())
        np.testing.assert_array_equal(clip[0].permute(0, 2, 3, 1), frames[:, :, ::-1])
        assert flipped == expected


def test_a_flip_that_does_not_happen_leaves_the_label() -> None:
    transform = TrainTransform(image_size=32, flip=0.5, flip_pairs=[(0, 1)], **WHOLE)
    frames = make_frames(1, 32, 32)
    labels = []
    for seed in range(60):
        clip, label = transform(frames, 0, generator(seed))
        assert np.array_equal(clip[0, 0].permute(1, 2, 0), frames[0, :, ::-1] if label else frames[0])
        labels.append(label)
    assert 15 < sum(labels) < 45


def test_classes_that_a_flip_changes_are_named_and_their_labels_those_of_the_data_set() -> None:
    cfg = OmegaConf.load(CONFIGS / "data" / "ssv2.yaml").train_transform
    assert cfg.flip == 0  # off by default
    pairs = OmegaConf.to_container(cfg.flip_pairs)
    first = [a for a, _ in pairs]
    names = ("Approaching something", *first, *(b for _, b in pairs))  # in an order of its own
    transform = TrainTransform(image_size=32, flip=1.0, flip_pairs=pairs, **WHOLE).numbered(names)
    assert [transform.flipped(label) for label in range(7)] == [0, 4, 5, 6, 1, 2, 3]
    never = TrainTransform(image_size=32, flip_pairs=pairs).numbered(("boxing", "running"))
    assert never.flip_pairs == []  # nobody asks for names where nothing is flipped


@pytest.mark.parametrize(("one", "nearest"), [("move left", "moving left"), (2, ".*"), (-1, ".*")])
def test_a_class_that_there_is_not_is_refused(one: str | int, nearest: str) -> None:
    transform = TrainTransform(image_size=32, flip=0.5, flip_pairs=[(one, 1)])
    with pytest.raises(ValueError, match=f"has the class '{one}', expected names such as '{nearest}', or .* 0 to 1"):
        transform.numbered(("moving left", "right"))


def test_erasing_happens_at_its_rate() -> None:
    frames = np.zeros((1, 32, 32, 3), np.uint8)
    erased = [TrainTransform(image_size=32, erase=0.25)(frames, 0, generator(seed))[0].any() for seed in range(200)]
    assert 30 < sum(map(bool, erased)) < 72  # 50 expected, standard deviation 6


def test_frames_smaller_than_the_clip_are_enlarged() -> None:
    assert TrainTransform(image_size=32)(make_frames(2, 5, 3), 0, generator())[0].shape == (1, 2, 3, 32, 32)
    assert TestTransform(image_size=32, resize=40, crops=3)(make_frames(2, 5, 3)).shape == (3, 2, 3, 32, 32)


@pytest.mark.parametrize("crops", [1, 3])
def test_a_test_clip_is_uint8_and_channels_last(crops: int) -> None:
    views = TestTransform(image_size=32, resize=40, crops=crops)(make_frames())
    assert views.shape == (crops, 4, 3, 32, 32)
    assert views.dtype == torch.uint8
    assert views.permute(0, 1, 3, 4, 2).is_contiguous()


# Frames of 40 pixels on the short side are not resized: the crops can be read off.
@pytest.mark.parametrize(
    ("height", "width", "crops", "corners"),
    [
        (40, 60, 1, [(4, 14)]),
        (40, 60, 3, [(4, 0), (4, 14), (4, 28)]),
        (60, 40, 1, [(14, 4)]),
        (60, 40, 3, [(0, 4), (14, 4), (28, 4)]),
        (40, 40, 3, [(4, 0), (4, 4), (4, 8)]),
    ],
)
def test_crops_lie_at_the_ends_and_the_centre(
    height: int, width: int, crops: int, corners: list[tuple[int, int]]
) -> None:
    views = TestTransform(image_size=32, resize=40, crops=crops)(positions(height, width))
    assert [tuple(view[0, :2, 0, 0].tolist()) for view in views] == corners


def test_test_frames_are_resized_as_by_torchvision() -> None:
    frames = make_frames(2, 96, 128)
    resized = F.resize(torch.from_numpy(frames).permute(0, 3, 1, 2).contiguous(), [48, 64], antialias=True)
    views = TestTransform(image_size=48, resize=48, crops=3)(frames)
    for view, left in zip(views, (0, 8, 16), strict=True):
        assert torch.equal(view, resized[..., left : left + 48])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_size": 0}, "image_size is 0"),
        ({"resize": -1}, "resize is -1"),
        ({"resize": "large"}, "resize is 'large', expected pixels, auto or null"),
        ({"area": (0, 1)}, "area is 0 to 1"),
        ({"area": (0.5, 0.2)}, "area is 0.5 to 0.2"),
        ({"area": (0.5, 1.2)}, "area is 0.5 to 1.2"),
        ({"aspect": (2, 1)}, "aspect is 2 to 1"),
        ({"flip": 1.5}, "flip is 1.5"),
        ({"erase": -0.1}, "erase is -0.1"),
        ({"color_jitter": 2}, "color_jitter is 2"),
        ({"flip_pairs": [(1, 2, 3)]}, "pairs of classes"),
        ({"flip_pairs": [(1, 2), (2, 3)]}, "each class in one"),
        ({"flip_pairs": ["ab"]}, "pairs of classes"),
    ],
)
def test_impossible_training_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainTransform(**{"image_size": 32} | settings)


def test_impossible_test_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="crops of 64 do not fit in frames resized to 48"):
        TestTransform(image_size=64, resize=48)
    with pytest.raises(ValueError, match="crops is 2"):
        TestTransform(image_size=32, resize=40, crops=2)
