"""Which blocks a placement names."""

import pytest

from video_adapters.model.placement import Placement, place


@pytest.mark.parametrize(
    ("placement", "blocks"),
    [
        ("all", (0, 1, 2, 3, 4)),
        ("even", (0, 2, 4)),
        ("first_half", (0, 1)),
        ("last_half", (2, 3, 4)),
        ([4, 1], (1, 4)),
        ([1, 1], (1,)),
        ([], ()),
        (None, ()),
    ],
)
def test_names_and_lists_become_block_numbers(placement: Placement, blocks: tuple[int, ...]) -> None:
    assert place(placement, [5]) == blocks


def test_even_counts_from_the_start_of_each_stage() -> None:
    assert place("even", [2, 3, 2]) == (0, 2, 4, 5)  # a running count would give 0, 2, 4, 6


def test_the_two_halves_are_all_blocks_once() -> None:
    for depth in range(6):
        assert place("first_half", [depth]) + place("last_half", [depth]) == place("all", [depth])


def test_blocks_that_are_not_there_are_named() -> None:
    with pytest.raises(ValueError, match=r"placement names blocks \[-1, 77\], but the encoder has blocks 0 to 5"):
        place([2, 77, -1], [6])


@pytest.mark.parametrize("placement", ["6:12", "last", [True], ["0"], [1.0]])
def test_anything_else_is_refused_with_what_is_known(placement: Placement) -> None:
    with pytest.raises(ValueError, match="expected one of all, even, first_half, last_half, a list of block numbers"):
        place(placement, [12])
