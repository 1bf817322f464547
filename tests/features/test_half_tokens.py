"""Tokens in half the memory keep what little tells them apart."""

import numpy as np

from video_adapters.features.half_tokens import packed, unpacked


def test_features_of_mean_20_and_spread_3e_3_keep_three_digits() -> None:
    generator = np.random.default_rng(0)
    tokens = (20 + 0.003 * generator.standard_normal((2, 4, 30, 16))).astype(np.float32)
    tokens[..., :3] *= 100  # loud channels
    halves, moments = packed(tokens)
    assert (halves.dtype, halves.shape, moments.shape) == (np.float16, tokens.shape, (2, 2, 16))
    error = np.abs(unpacked(halves, moments) - tokens) / tokens.std((1, 2), keepdims=True)
    assert error.max() < 5 / 2048 + 2e-3  # of the spread: fp16's half digit at 5 spreads, and fp32's at 20
    assert (tokens.astype(np.float16)[..., 5] == np.float16(20)).mean() > 0.9  # which fp16 alone would lose


def test_what_is_far_from_all_others_does_not_overflow() -> None:
    tokens = np.zeros((1, 8, 200, 2), np.float32)
    tokens[0, 0, 0, 0] = 3e38
    halves, moments = packed(tokens)
    np.testing.assert_allclose(unpacked(halves, moments), tokens, rtol=2e-3, atol=1e35)


def test_a_channel_that_is_the_same_everywhere_stays_it() -> None:
    tokens = np.full((1, 2, 3, 1), 7.25, np.float32)
    assert (unpacked(*packed(tokens)) == tokens).all()
