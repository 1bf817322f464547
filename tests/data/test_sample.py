import numpy as np
import pytest

from video_adapters.data.clips.sample import Segments, Strided


class Highest(np.random.Generator):
    """Draws the largest integer it may."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def integers(self, low: int, high: int | None = None, endpoint: bool = False) -> int:
        return (low if high is None else high) - (not endpoint)


class Lowest(Highest):
    """Draws the smallest integer it may."""

    def integers(self, low: int, high: int | None = None, endpoint: bool = False) -> int:
        return 0 if high is None else low


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_middles_of_segments_of_17_frames_are_symmetric() -> None:
    # (17 - 1) / 8 = 2 frames each: [0, 2], [2, 4], ..., [14, 16].
    clip = Segments(num_frames=8).test(17, 1)[0]
    assert clip == [1, 3, 5, 7, 9, 11, 13, 15]
    assert [16 - index for index in reversed(clip)] == clip  # played backwards, the same frames


def test_segment_bounds_are_rounded_half_to_even() -> None:
    # (11 - 1) / 4 = 2.5: bounds 0, 2.5 -> 2, 5, 7.5 -> 8, 10; middles 1, 3.5 -> 3, 6.5 -> 6, 9.
    assert Segments(num_frames=4).test(11, 1) == [[1, 3, 6, 9]]
    assert Segments(num_frames=4).train(11, Lowest()) == [0, 2, 5, 8]
    assert Segments(num_frames=4).train(11, Highest()) == [2, 5, 8, 10]


def test_segments_of_a_short_video_repeat_frames() -> None:
    # (3 - 1) / 4 = 0.5: bounds 0, 0.5 -> 0, 1, 1.5 -> 2, 2; middles 0, 0.5 -> 0, 1.5 -> 1, 2.
    assert Segments(num_frames=4).test(3, 1) == [[0, 0, 1, 2]]
    assert Segments(num_frames=4).train(3, Highest()) == [0, 1, 2, 2]
    assert Segments(num_frames=4).test(1, 1) == [[0, 0, 0, 0]]
    assert Segments(num_frames=4).train(1, generator()) == [0, 0, 0, 0]


def test_training_draws_every_frame_of_each_segment() -> None:
    draws = np.array([Segments(num_frames=2).train(7, generator(seed)) for seed in range(200)])  # [0, 3], [3, 6]
    assert set(draws[:, 0].tolist()) == {0, 1, 2, 3}
    assert set(draws[:, 1].tolist()) == {3, 4, 5, 6}


def test_strided_training_clips_start_wherever_they_fit() -> None:
    # 4 frames, 3 apart, span 12: in a video of 15 the starts are 0 to 3.
    assert Strided(num_frames=4, stride=3).train(15, Lowest()) == [0, 3, 6, 9]
    assert Strided(num_frames=4, stride=3).train(15, Highest()) == [3, 6, 9, 12]
    starts = {Strided(num_frames=4, stride=3).train(15, generator(seed))[0] for seed in range(100)}
    assert starts == {0, 1, 2, 3}


def test_strided_test_clips_lie_in_the_middles_of_equal_shares() -> None:
    # (31 - 12 + 1) / 3 = 6.67: 3.33 -> 3, 10, 16.67 -> 16.
    assert [clip[0] for clip in Strided(num_frames=4, stride=3).test(31, 3)] == [3, 10, 16]
    # (12 - 12 + 1) / 3 = 0.33: 0.17, 0.5, 0.83 -> 0.
    assert Strided(num_frames=4, stride=3).test(12, 3) == [[0, 3, 6, 9]] * 3


def test_a_strided_clip_wraps_around_in_a_short_video() -> None:
    assert Strided(num_frames=4, stride=3).test(7, 2) == [[0, 3, 6, 2], [0, 3, 6, 2]]  # 9 mod 7 = 2
    assert Strided(num_frames=4, stride=3).train(7, generator()) == [0, 3, 6, 2]
    assert Strided(num_frames=3, stride=2).test(1, 1) == [[0, 0, 0]]


@pytest.mark.parametrize("sampling", [Segments(num_frames=8), Strided(num_frames=8, stride=4)])
@pytest.mark.parametrize("length", [1, 2, 7, 8, 9, 31, 32, 33, 300])
def test_indices_are_plain_integers_inside_the_video(sampling: Segments | Strided, length: int) -> None:
    for clip in [sampling.train(length, generator()), *sampling.test(length, 1)]:
        assert len(clip) == 8
        assert all(type(index) is int and 0 <= index < length for index in clip)


@pytest.mark.parametrize("sampling", [Segments(num_frames=8), Strided(num_frames=8, stride=4)])
def test_the_same_generator_gives_the_same_clip(sampling: Segments | Strided) -> None:
    assert sampling.train(300, generator(1)) == sampling.train(300, generator(1))
    assert sampling.train(300, generator(1)) != sampling.train(300, generator(2))


def test_a_span_is_shared_by_the_frames_of_a_clip() -> None:
    for num_frames, stride in [(8, 16), (16, 8), (32, 4)]:
        sampling = Strided(num_frames=num_frames, span=128)
        assert sampling.test(300, 3) == Strided(num_frames=num_frames, stride=stride).test(300, 3)


def test_impossible_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="span of 128 frames does not divide into 12"):
        Strided(num_frames=12, span=128)
    with pytest.raises(ValueError, match="stride is 4 and span is 32: give one"):
        Strided(num_frames=8, stride=4, span=32)
    with pytest.raises(ValueError, match="stride is None and span is None"):
        Strided(num_frames=8)
    with pytest.raises(ValueError, match="num_frames is 0"):
        Segments(num_frames=0)
    with pytest.raises(ValueError, match="stride is -1"):
        Strided(num_frames=8, stride=-1)
    with pytest.raises(ValueError, match="length is 0"):
        Segments(num_frames=8).train(0, generator())
    with pytest.raises(ValueError, match="length is 0"):
        Strided(num_frames=8, stride=4).test(0, 3)
    with pytest.raises(ValueError, match="num_clips is 0"):
        Strided(num_frames=8, stride=4).test(30, 0)
    with pytest.raises(ValueError, match="3 clips asked for"):
        Segments(num_frames=8).test(30, 3)
