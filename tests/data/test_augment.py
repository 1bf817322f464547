from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import v2

from video_adapters.data.clips.augment import OPERATIONS, RandAugment, erase_box, jitter_colors


def make_clip(num_frames: int = 3, height: int = 40, width: int = 56) -> Tensor:
    pixels = np.random.default_rng(0).integers(20, 230, (num_frames, 3, height, width), np.uint8)
    return torch.from_numpy(pixels)


def still_clip() -> Tensor:
    return make_clip(1).expand(4, -1, -1, -1).clone()


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def is_still(clip: Tensor) -> bool:
    return bool((clip == clip[:1]).all())


def test_the_operations_are_torchvisions() -> None:
    assert list(OPERATIONS) == list(v2.RandAugment._AUGMENTATION_SPACE)


@pytest.mark.parametrize("magnitude", [0, 7, 30])
@pytest.mark.parametrize("name", list(OPERATIONS))
def test_every_operation_gives_what_torchvision_gives(name: str, magnitude: int) -> None:
    clip, theirs, ours = make_clip(), v2.RandAugment(), OPERATIONS[name]
    magnitudes, signed = theirs._AUGMENTATION_SPACE[name]
    values = magnitudes(31, 40, 56)
    expected = 0.0 if values is None else float(values[magnitude])
    assert ours.magnitude(magnitude / 30, 40, 56) == pytest.approx(expected, rel=1e-5)
    assert ours.signed == signed
    for sign in (1, -1) if signed else (1,):
        changed = ours.apply(clip.permute(0, 2, 3, 1).contiguous().numpy(), sign * expected)
        torch.testing.assert_close(
            torch.from_numpy(changed).permute(0, 3, 1, 2),
            theirs._apply_image_or_video_transform(clip, name, sign * expected, "nearest", {Tensor: None}),
            rtol=0,
            atol=0,
        )


@pytest.mark.parametrize("seed", range(20))
def test_rand_augment_treats_all_frames_alike(seed: int) -> None:
    clip = RandAugment()(still_clip(), generator(seed))
    assert clip.shape == (4, 3, 40, 56)
    assert clip.dtype == torch.uint8
    assert is_still(clip)


def test_rand_augment_follows_its_generator() -> None:
    clips = [RandAugment()(make_clip(), generator(seed)) for seed in (1, 1, 2)]
    assert torch.equal(clips[0], clips[1])
    assert not torch.equal(clips[0], clips[2])


def test_rand_augment_draws_every_operation_and_both_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[str, float]] = []

    def record(name: str) -> Callable[[np.ndarray, float], np.ndarray]:
        return lambda frames, magnitude: drawn.append((name, magnitude)) or frames

    for name, operation in list(OPERATIONS.items()):
        monkeypatch.setitem(OPERATIONS, name, operation._replace(apply=record(name)))
    RandAugment(num_ops=700)(make_clip(), generator())
    counts = [sum(name == other for other, _ in drawn) for name in OPERATIONS]
    assert len(drawn) == 700
    assert min(counts) > 25  # 50 expected, standard deviation 6.8
    turns = {magnitude for name, magnitude in drawn if name == "Rotate"}
    assert turns == {7.0, -7.0}  # 30 degrees * 7 / 30


def test_no_operations_change_nothing() -> None:
    assert torch.equal(RandAugment(num_ops=0)(make_clip(), generator()), make_clip())


def test_impossible_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="num_ops is -1"):
        RandAugment(num_ops=-1)
    with pytest.raises(ValueError, match="magnitude is 31 of 31"):
        RandAugment(magnitude=31)


def test_colour_jitter_changes_all_frames_alike() -> None:
    clip = jitter_colors(still_clip(), 0.4, generator())
    assert is_still(clip)
    assert not torch.equal(clip, still_clip())
    assert torch.equal(jitter_colors(still_clip(), 0.0, generator()), still_clip())


def test_colour_jitter_draws_brightness_contrast_and_saturation_in_bounds() -> None:
    # Three columns: dark grey, light grey, red of luma 100 * 0.299 + 30 * 0.701 = 51.
    clip = torch.tensor([[40, 90, 100], [40, 90, 30], [40, 90, 30]], dtype=torch.uint8)[None, :, None].repeat(
        1, 1, 8, 1
    )
    factors = []
    for seed in range(100):
        (dark, light, red), (_, _, green), _ = jitter_colors(clip, 0.4, generator(seed))[0, :, 0].tolist()
        brightness = (dark + light + 0.299 * red + 0.701 * green) / (40 + 90 + 51)  # the others keep the mean luma
        contrast = (light - dark) / (90 - 40) / brightness
        saturation = (red - green) / (100 - 30) / brightness / contrast
        factors.append((brightness, contrast, saturation))
    lowest, highest = np.array(factors).min(0), np.array(factors).max(0)
    np.testing.assert_allclose(lowest, 0.6, atol=0.06)
    np.testing.assert_allclose(highest, 1.4, atol=0.06)


def test_erasing_fills_one_box_the_same_in_all_frames() -> None:
    clip = torch.zeros(3, 3, 100, 120, dtype=torch.uint8)
    erased = erase_box(clip, generator())
    assert not clip.any()  # the clip handed in is left alone
    assert is_still(erased)
    rows, columns = erased[0].any(0).nonzero().T
    height, width = int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1
    box = erased[0, :, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert (box != 0).float().mean() > 0.95  # noise, some of it cut off at 0
    assert not erased[0, :, : rows.min()].any()
    assert 0.02 * 0.9 < height * width / (100 * 120) < 1 / 3 * 1.1
    assert 0.29 < height / width < 1 / 0.29


def test_erased_boxes_lie_everywhere_and_hold_noise_like_imagenet() -> None:
    clip = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    erased = torch.cat([erase_box(clip, generator(seed)) for seed in range(300)])
    hidden = (erased != 0).any(1).any(0)  # (H, W): whether a box ever lay there
    assert min(edge.any() for edge in (hidden[0], hidden[-1], hidden[:, 0], hidden[:, -1]))
    inside = erased.permute(1, 0, 2, 3)[:, (erased != 0).any(1)].float()
    np.testing.assert_allclose(inside.mean(1), [123.675, 116.28, 103.53], atol=3)
    np.testing.assert_allclose(inside.std(1), [58.395, 57.12, 57.375], atol=4)


def test_a_frame_too_small_for_any_box_is_left_alone() -> None:
    clip = torch.zeros(1, 3, 1, 1, dtype=torch.uint8)
    assert torch.equal(erase_box(clip, generator()), clip)
