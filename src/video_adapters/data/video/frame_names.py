"""Frames of a folder in their order: images whose names end in the numbers of a sequence."""

import os
import re
from collections.abc import Sequence
from itertools import pairwise


def in_order(images: Sequence[str]) -> tuple[list[str], list[str]]:
    """The frames in the order of their numbers, and the images that are none, such as a cover.

    Numbers may go by a step, as where every fifth frame was saved; of two images nobody can know that.

    Raises:
        ValueError: there are no numbered images, two of the same number, or one is missing.
    """
    series, others = _series(images)
    numbered: dict[int, str] = {}
    for name in series:
        number = _prefix_and_number(name)[1]
        if number in numbered:
            raise ValueError(f"the images {numbered[number]} and {name} have the same number")
        numbered[number] = name
    if not numbered:
        raise ValueError(f"holds no image whose name ends in a number, but {others[0]}" if others else "holds no image")
    numbers = sorted(numbered)
    _check_steps(numbers)
    return [numbered[number] for number in numbers], others


def _series(images: Sequence[str]) -> tuple[list[str], list[str]]:
    """Numbered images and others. An image with a prefix of its own is another where all the rest share one."""
    by_prefix: dict[str, list[str]] = {}
    others: list[str] = []
    for name in images:
        prefix, number = _prefix_and_number(name)
        (by_prefix.setdefault(prefix, []) if number >= 0 else others).append(name)
    long = [names for names in by_prefix.values() if len(names) > 1]
    if len(long) == 1:
        return long[0], [name for name in images if name not in set(long[0])]
    return [name for names in by_prefix.values() for name in names], others


def _prefix_and_number(name: str) -> tuple[str, int]:
    """img_00012.jpg -> img_, 12; and -1 without a number."""
    stem = os.path.splitext(name)[0]
    digits = re.search(r"[0-9]+$", stem)
    return (stem, -1) if digits is None else (stem[: digits.start()], int(digits[0]))


def _check_steps(numbers: Sequence[int]) -> None:
    gaps = [after - before for before, after in pairwise(numbers)]
    step = min(gaps) if len(gaps) > 1 else 1
    for number, gap in zip(numbers[:-1], gaps, strict=True):
        if gap % step:
            raise ValueError(f"numbers its images by steps of {step}, but {number} is followed by {number + gap}")
        if gap != step:
            lost = (numbers[-1] - numbers[0]) // step - len(gaps)
            by = f" by steps of {step}" if step > 1 else ""
            raise ValueError(f"lacks {lost} of the frames {numbers[0]} to {numbers[-1]}{by}, such as {number + step}")
