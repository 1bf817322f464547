"""PyTorch's caching allocator for CUDA, replayed on a log of storages: bytes allocated and bytes reserved."""

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import NamedTuple

KIB, MIB = 2**10, 2**20
SMALLEST = 512  # every block is a multiple of it
MOST_SMALL = MIB  # up to here a block comes from the pool of small ones
SMALL_SEGMENT = 2 * MIB  # asked of the driver for small blocks
LARGE_SEGMENT = 20 * MIB  # asked of the driver for blocks below LEAST_OWN
LEAST_OWN = 10 * MIB  # from here on a block's segment is its own size, rounded up to OWN_STEP
OWN_STEP = 2 * MIB


class Event(NamedTuple):
    """The allocation of a storage, or its end."""

    storage: int  # names it
    size: int  # bytes, above 0, where it is allocated; 0 at its end; ARRIVED: nothing happens to memory


ARRIVED = -1
"""Marks in a log where a gradient arrives at its parameter, which keeps it or adds it to what is there."""


class Peak(NamedTuple):
    """The most that a log needed, in bytes."""

    allocated: int  # in blocks that are in use, `torch.cuda.max_memory_allocated`
    reserved: int  # taken from the driver, `torch.cuda.max_memory_reserved`


class _Block:
    """A stretch of a segment; its neighbours in the segment are linked."""

    __slots__ = ("address", "after", "before", "pool", "size")

    def __init__(self, address: int, size: int, pool: list[tuple[int, int]]) -> None:
        self.address, self.size, self.pool = address, size, pool
        self.before: _Block | None = None
        self.after: _Block | None = None


class CachingAllocator:
    """c10/cuda/CUDACachingAllocator.cpp with its default settings, for one stream of a card without end.

    Blocks are rounded to 512 bytes and taken from the smallest free block that holds them, which is split where enough
    is left; without one, a segment is asked of the driver. A freed block joins its free neighbours and stays reserved.
    (A card that is full would give whole free segments back before it gives up: what fits here fits there.)
    """

    def __init__(self) -> None:
        self.allocated = self.reserved = 0
        self._most_allocated = 0
        self._used: dict[int, _Block] = {}
        self._free: dict[int, _Block] = {}  # by address
        self._small: list[tuple[int, int]] = []  # (size, address) of free blocks, sorted
        self._large: list[tuple[int, int]] = []
        self._end = 0  # the first address that no segment has

    def run(self, log: Iterable[Event]) -> Peak:
        """Goes through a log; returns the peaks so far."""
        for storage, size in log:
            if size:
                self._allocate(storage, size)
            else:
                self._release(storage)
        return Peak(self._most_allocated, self.reserved)  # what is reserved never shrinks

    def _allocate(self, storage: int, size: int) -> None:
        size = round_up(size, SMALLEST)
        pool = self._small if size <= MOST_SMALL else self._large
        block = self._take(pool, size) or self._segment(pool, size)
        left = block.size - size
        if left >= SMALLEST if pool is self._small else left > MOST_SMALL:
            self._split(block, size)
        self._used[storage] = block
        self.allocated += block.size
        if self.allocated > self._most_allocated:
            self._most_allocated = self.allocated

    def _release(self, storage: int) -> None:
        block = self._used.pop(storage)
        self.allocated -= block.size
        for neighbour in (block.before, block.after):
            if neighbour is not None and neighbour.address in self._free:
                self._forget(neighbour)
                block = _joined(*sorted((block, neighbour), key=lambda part: part.address))
        self._remember(block)

    def _take(self, pool: list[tuple[int, int]], size: int) -> _Block | None:
        index = bisect_left(pool, (size, -1))
        return self._free.pop(pool.pop(index)[1]) if index < len(pool) else None

    def _segment(self, pool: list[tuple[int, int]], size: int) -> _Block:
        if pool is self._small:
            whole = SMALL_SEGMENT
        else:
            whole = LARGE_SEGMENT if size < LEAST_OWN else round_up(size, OWN_STEP)
        block = _Block(self._end, whole, pool)
        self._end += whole
        self.reserved += whole
        return block

    def _split(self, block: _Block, size: int) -> None:
        rest = _Block(block.address + size, block.size - size, block.pool)
        block.size = size
        rest.before, rest.after = block, block.after
        if block.after is not None:
            block.after.before = rest
        block.after = rest
        self._remember(rest)

    def _remember(self, block: _Block) -> None:
        self._free[block.address] = block
        insort(block.pool, (block.size, block.address))

    def _forget(self, block: _Block) -> None:
        del self._free[block.address]
        block.pool.pop(bisect_left(block.pool, (block.size, block.address)))


def most_alive(log: Iterable[Event]) -> int:
    """The most bytes that a log's storages had at once, by themselves, as on a CPU."""
    sizes: dict[int, int] = {}
    alive = most = 0
    for storage, size in log:
        alive += size or -sizes.pop(storage)
        if size:
            sizes[storage] = size
        most = max(most, alive)
    return most


def round_up(size: int, step: int) -> int:
    """The least multiple of `step` that is no less than `size`."""
    return -(-size // step) * step


def _joined(left: _Block, right: _Block) -> _Block:
    """Both as one, which is the left one."""
    left.size += right.size
    left.after = right.after
    if right.after is not None:
        right.after.before = left
    return left
