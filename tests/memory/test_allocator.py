"""The model of CUDA's caching allocator, against sequences whose outcome follows from its rules by hand."""

from video_adapters.memory.allocator import KIB, MIB, CachingAllocator, Event, Peak


def run(*log: tuple[int, int]) -> Peak:
    return CachingAllocator().run(Event(*event) for event in log)


def test_blocks_are_rounded_to_512_bytes_and_small_ones_share_a_segment_of_2_mib() -> None:
    assert run((1, 1)) == Peak(512, 2 * MIB)
    assert run((1, 513)) == Peak(1024, 2 * MIB)
    assert run((1, MIB), (2, MIB)) == Peak(2 * MIB, 2 * MIB)
    assert run((1, MIB), (2, MIB), (3, 1)) == Peak(2 * MIB + 512, 4 * MIB)


def test_large_blocks_share_segments_of_20_mib() -> None:
    assert run((1, MIB + 1)) == Peak(MIB + 512, 20 * MIB)
    assert run((1, 9 * MIB), (2, 9 * MIB)) == Peak(18 * MIB, 20 * MIB)
    # 2 MiB are left of the first segment, too little for a third
    assert run((1, 9 * MIB), (2, 9 * MIB), (3, 3 * MIB)) == Peak(21 * MIB, 40 * MIB)


def test_from_10_mib_on_a_segment_is_the_blocks_own_rounded_to_2_mib() -> None:
    assert run((1, 10 * MIB)) == Peak(10 * MIB, 10 * MIB)
    # 12 MiB - 10.5 MiB = 1.5 MiB are left, which is more than 1 MiB: a block of its own
    assert run((1, 10 * MIB + 512 * KIB)) == Peak(10 * MIB + 512 * KIB, 12 * MIB)
    # 512 KiB are not: the block is the whole segment
    assert run((1, 11 * MIB + 512 * KIB)) == Peak(12 * MIB, 12 * MIB)


def test_of_small_blocks_512_bytes_are_enough_for_another_and_of_large_ones_1_mib_is_too_little() -> None:
    assert run((1, MIB), (2, MIB - 512), (3, 512)) == Peak(2 * MIB, 2 * MIB)
    assert run((1, 11 * MIB)) == Peak(12 * MIB, 12 * MIB)
    assert run((1, 11 * MIB - 512)) == Peak(11 * MIB - 512, 12 * MIB)


def test_a_freed_block_is_used_again_the_smallest_that_holds_the_new_one() -> None:
    log = [(1, 12 * MIB), (2, 30 * MIB), (1, 0), (2, 0), (3, 11 * MIB + 512 * KIB), (4, 29 * MIB + 512 * KIB)]
    assert run(*log) == Peak(42 * MIB, 42 * MIB)


def test_freed_neighbours_join() -> None:
    parts = [(i, 5 * MIB) for i in range(1, 5)]  # one segment of 20 MiB
    assert run(*parts, (2, 0), (3, 0), (5, 9 * MIB + 512 * KIB)) == Peak(20 * MIB, 20 * MIB)
    assert run(*parts, (3, 0), (2, 0), (5, 9 * MIB + 512 * KIB)) == Peak(20 * MIB, 20 * MIB)
    # 1 and 3 are no neighbours: the new one needs a segment of its own
    assert run(*parts, (1, 0), (3, 0), (5, 9 * MIB)).reserved == 40 * MIB
    # joining goes both ways, and across all that is free
    assert run(*parts, (1, 0), (3, 0), (2, 0), (5, 9 * MIB), (6, 5 * MIB)).reserved == 20 * MIB


def test_what_was_once_reserved_stays_so_but_peaks_of_use_are_of_the_moment() -> None:
    assert run((1, 40 * MIB), (1, 0), (2, 60 * MIB)) == Peak(60 * MIB, 100 * MIB)


def test_small_and_large_blocks_keep_apart() -> None:
    assert run((1, 16 * MIB), (1, 0), (2, MIB)) == Peak(16 * MIB, 18 * MIB)
