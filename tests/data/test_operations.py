"""Operations on channels-last clips against torchvision's on the same clip: equal to the last bit, unless said."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from video_adapters.data.clips import operations as ours

FACTORS = [0.0, 0.1, 0.79, 1.0, 1.21, 1.9]  # RandAugment's at magnitude 7 are 0.79 and 1.21, at 30 they are 0.1 and 1.9
DEGREES = [-30.0, -7.0, 0.0, 7.0, 30.0, 90.0]


def noise(num_frames: int, height: int, width: int, low: int = 0, high: int = 256) -> np.ndarray:
    return np.random.default_rng(0).integers(low, high, (num_frames, height, width, 3), np.uint8)


def soft(height: int, width: int) -> np.ndarray:
    """A slope in each colour, each its own way: what a camera sees, rather than noise -> (1, H, W, 3)."""
    rows, columns = np.indices((height, width))
    slopes = [rows / height, columns / width, (rows + columns) / (height + width)]
    return (40 + 150 * np.stack(slopes, -1)).astype(np.uint8)[None]


CLIPS = {
    "noise": noise(3, 40, 56),
    "upright noise": noise(2, 57, 33),
    "soft": soft(64, 48),
    "frames unlike each other": np.concatenate([noise(1, 24, 32, 0, 40), noise(1, 24, 32, 90, 140), soft(24, 32)]),
    "one value": np.full((2, 20, 30, 3), 77, np.uint8),
    "black": np.zeros((1, 20, 30, 3), np.uint8),
    "two values": np.where(noise(2, 30, 30) < 50, 3, 250).astype(np.uint8),
    "one pixel": noise(2, 1, 1),
    "two rows": noise(2, 2, 9),
}


@pytest.fixture(params=CLIPS)
def frames(request: pytest.FixtureRequest) -> np.ndarray:
    return CLIPS[request.param]


def assert_same(changed: np.ndarray, frames: np.ndarray, theirs: Callable[[Tensor], Tensor]) -> None:
    assert changed.dtype == np.uint8
    expected = theirs(torch.from_numpy(frames).permute(0, 3, 1, 2).contiguous())
    np.testing.assert_array_equal(changed, expected.permute(0, 2, 3, 1).numpy())


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("name", ["adjust_brightness", "adjust_contrast", "adjust_saturation", "adjust_sharpness"])
def test_colour_and_sharpness_change_as_in_torchvision(frames: np.ndarray, name: str, factor: float) -> None:
    changed = getattr(ours, name)(frames, factor)
    assert_same(changed, frames, lambda clip: getattr(F, name)(clip, factor))


@pytest.mark.parametrize("bits", range(9))
def test_posterize_keeps_the_bits_that_torchvision_keeps(frames: np.ndarray, bits: int) -> None:
    assert_same(ours.posterize(frames, bits), frames, lambda clip: F.posterize(clip, bits))


@pytest.mark.parametrize("threshold", [0.0, 77.0, 195.5, 254.3, 255.0])
def test_solarize_inverts_what_torchvision_inverts(frames: np.ndarray, threshold: float) -> None:
    assert_same(ours.solarize(frames, threshold), frames, lambda clip: F.solarize(clip, threshold))


@pytest.mark.parametrize("name", ["autocontrast", "equalize"])
def test_what_looks_at_the_frame_first_sees_what_torchvision_sees(frames: np.ndarray, name: str) -> None:
    assert_same(getattr(ours, name)(frames), frames, getattr(F, name))


@pytest.mark.parametrize("degrees", DEGREES)
def test_rotation_takes_the_pixels_that_torchvision_takes(frames: np.ndarray, degrees: float) -> None:
    assert_same(ours.rotate(frames, degrees), frames, lambda clip: F.rotate(clip, degrees))


@pytest.mark.parametrize(("x", "y"), [(0.07, 0.0), (-0.3, 0.0), (0.0, 0.07), (0.0, -0.3)])
def test_shear_takes_the_pixels_that_torchvision_takes(frames: np.ndarray, x: float, y: float) -> None:
    degrees = [float(np.degrees(np.arctan(share))) for share in (x, y)]
    assert_same(
        ours.shear(frames, x, y),
        frames,
        lambda clip: F.affine(clip, angle=0.0, translate=[0, 0], scale=1.0, shear=degrees, center=[0.0, 0.0]),
    )


@pytest.mark.parametrize(("x", "y"), [(3, 0), (-3, 0), (0, 5), (0, -5), (7, -2), (-100, 0), (0, 100), (0, 0)])
def test_translation_takes_the_pixels_that_torchvision_takes(frames: np.ndarray, x: int, y: int) -> None:
    assert_same(
        ours.translate(frames, x, y),
        frames,
        lambda clip: F.affine(clip, angle=0.0, translate=[x, y], scale=1.0, shear=[0.0, 0.0]),
    )


def test_translation_shifts_whole_pixels_and_leaves_black_behind() -> None:
    frames = noise(2, 12, 20, low=1)
    shifted = ours.translate(frames, x=5, y=-3)
    np.testing.assert_array_equal(shifted[:, :-3, 5:], frames[:, 3:, :-5])
    assert not shifted[:, -3:].any()
    assert not shifted[:, :, :5].any()


@pytest.mark.parametrize(
    "change",
    [
        lambda frames: ours.adjust_brightness(frames, 1.3),
        lambda frames: ours.adjust_contrast(frames, 1.3),
        lambda frames: ours.adjust_saturation(frames, 1.3),
        lambda frames: ours.adjust_sharpness(frames, 1.3),
        lambda frames: ours.posterize(frames, 3),
        lambda frames: ours.solarize(frames, 100.0),
        lambda frames: ours.rotate(frames, 20.0),
        ours.autocontrast,
        ours.equalize,
    ],
)
def test_every_frame_is_changed_by_itself_and_the_input_left_alone(change: Callable[[np.ndarray], np.ndarray]) -> None:
    frames = np.concatenate([CLIPS["noise"], CLIPS["noise"] // 3 + 60])
    before = frames.copy()
    changed = change(frames)
    np.testing.assert_array_equal(frames, before)
    np.testing.assert_array_equal(changed, np.concatenate([change(frame[None]) for frame in frames]))
