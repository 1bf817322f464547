import numpy as np
import pytest

from video_adapters.data.shapes import drawing as shapes
from video_adapters.data.shapes.drawing import SHAPES, Subject
from video_adapters.data.shapes.motions import MOTIONS
from video_adapters.pretraining.stills import TARGETS, describe, draw_stills

SIZE = 64


def subject(**changes: float) -> Subject:
    """One thing, in the middle, facing right, pure red."""
    values = {"shape": 0, "x": 0.5, "y": 0.5, "size": 0.2, "angle": 0.0, "opacity": 1.0, "hue": 0.0, "value": 1.0}
    values |= {"apart": 0.0, "axis": 0.0, **changes}
    return Subject(**{name: np.array([value]) for name, value in values.items()})


def drawn(**changes: float) -> np.ndarray:
    """The subject on black: (SIZE, SIZE, 3) float."""
    return shapes.paint_subject(np.zeros((1, SIZE, SIZE, 3), np.float32), subject(**changes))[0]


def centre(image: np.ndarray) -> tuple[float, float]:
    """(x, y) of what is not black, in image sides, each pixel counted alike."""
    rows, columns = np.nonzero(image.max(-1) > 0.01)
    return (columns.mean() + 0.5) / SIZE, (rows.mean() + 0.5) / SIZE


@pytest.mark.parametrize("shape", range(len(SHAPES)))
def test_a_thing_lies_around_its_place(shape: int) -> None:
    x, y = centre(drawn(shape=shape, x=0.3, y=0.6))
    assert (x, y) == pytest.approx((0.3, 0.6), abs=0.2 * 0.35)  # a third of its radius


@pytest.mark.parametrize("shape", range(len(SHAPES)))
def test_a_thing_of_twice_the_size_covers_four_times_the_area(shape: int) -> None:
    small, large = (drawn(shape=shape, size=size).max(-1) > 0.01 for size in (0.15, 0.3))
    assert large.sum() / small.sum() == pytest.approx(4, rel=0.15)


@pytest.mark.parametrize("shape", range(len(SHAPES)))
@pytest.mark.parametrize(("angle", "front"), [(0, (1, 0)), (np.pi / 2, (0, 1)), (np.pi, (-1, 0)), (3.927, (-1, -1))])
def test_a_thing_is_brightest_where_it_faces_and_turns_clockwise(shape: int, angle: float, front: tuple) -> None:
    image = drawn(shape=shape, angle=angle)
    x, y = centre(image)
    rows, columns = np.indices((SIZE, SIZE))
    weight = image[..., 0] / image[..., 0].sum()
    lean = ((columns + 0.5) / SIZE * weight).sum() - x, ((rows + 0.5) / SIZE * weight).sum() - y
    assert np.dot(lean, front) > 0.01
    assert abs(np.cross([*lean, 0], [*front, 0])[2]) < 0.003


@pytest.mark.parametrize("shape", range(len(SHAPES)))
def test_no_shape_looks_like_itself_before_a_full_turn(shape: int) -> None:
    here = drawn(shape=shape)
    for angle in np.linspace(0, 2 * np.pi, 25)[2:-2]:
        assert abs(drawn(shape=shape, angle=angle) - here).max() > 0.5


def test_a_half_opaque_thing_lets_half_of_what_is_behind_through() -> None:
    assert drawn(opacity=0.5) == pytest.approx(drawn() / 2)


def test_two_things_lie_on_both_sides_of_their_middle() -> None:
    image = drawn(size=0.1, apart=0.3, axis=np.pi / 2, x=0.4)
    above, below = image.copy(), image.copy()
    above[SIZE // 2 :] = 0
    below[: SIZE // 2] = 0
    assert centre(above) == pytest.approx((0.4, 0.2), abs=0.04)
    assert centre(below) == pytest.approx((0.4, 0.8), abs=0.04)


def test_hues_are_red_green_blue() -> None:
    colours = shapes.bright_colour(np.array([0, 2, 4]) * np.pi / 3, np.array([1, 0.8, 0.5]))
    assert colours == pytest.approx(np.diag([1, 0.8, 0.5]))


def test_distractors_and_textures_are_paler_than_what_matters() -> None:
    generator = np.random.default_rng(0)
    assert np.ptp(shapes.distractors(generator, 100).colour, axis=1).max() == 0
    assert np.ptp(shapes.textures(generator, 100, 16), axis=-1).max() < 0.13


def test_a_label_says_what_the_subject_is() -> None:
    row = dict(zip(TARGETS, describe(subject(x=0.75, y=0.25, angle=np.pi / 2, opacity=0.5, hue=np.pi))[0], strict=True))
    expected = {"x": 0.5, "y": -0.5, "opacity": 0, "cos angle": 0, "sin angle": 1, "cos hue": -1, "pair": -1}
    assert {name: row[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert row["distance"] == -1


def test_a_pair_with_its_axis_turned_by_half_a_turn_has_the_same_label() -> None:
    one, other = describe(subject(apart=0.2, axis=0.4)), describe(subject(apart=0.2, axis=0.4 + np.pi))
    assert one == pytest.approx(other, abs=1e-6)


def test_stills_cover_what_the_videos_show() -> None:
    stills = draw_stills(np.random.default_rng(0), 4000, 8)
    low, high = stills.targets.min(0), stills.targets.max(0)
    for motion in MOTIONS:
        for seed in range(40):
            shown = describe(motion(np.random.default_rng(seed)))
            assert (shown >= low - 0.05).all()
            assert (shown <= high + 0.05).all()


def test_stills_hold_every_shape_singles_pairs_and_hidden_things() -> None:
    stills = draw_stills(np.random.default_rng(0), 600, 8)
    assert np.bincount(stills.shape).min() > 50
    assert 150 < (stills.targets[:, TARGETS.index("pair")] > 0).sum() < 250
    assert 0 < (~stills.visible).sum() < 100


def test_the_same_generator_draws_the_same_stills() -> None:
    one, other = (draw_stills(np.random.default_rng(3), 4, 16) for _ in range(2))
    np.testing.assert_array_equal(one.images, other.images)
    np.testing.assert_array_equal(one.targets, other.targets)
