"""Checks of the numbers in a data set's config."""

from collections.abc import Mapping


def expect_counts(counts: Mapping[str, int]) -> None:
    for key, count in counts.items():
        expect(isinstance(count, int) and count >= 1, key, count, "a whole number, at least 1")


def expect_at_least_1(numbers: Mapping[str, int | None]) -> None:
    for key, most in numbers.items():
        expect(most is None or most >= 1, key, most, "null or at least 1")


def expect(fits: bool, key: str, value: object, expected: str) -> None:
    if not fits:
        raise ValueError(f"{key} is {value}, expected {expected}")
