"""Placement of adapters: a name or a list to block indices."""

from collections.abc import Sequence

Placement = str | Sequence[int] | None

NAMED = ("all", "even", "first_half", "last_half")


def place(placement: Placement, depths: Sequence[int]) -> tuple[int, ...]:
    """Turns a placement into block numbers, in order.

    Args:
        placement: `all`; `even` (blocks 0, 2, ... of each stage: those of a Swin that do not shift their windows);
            `first_half` or `last_half` of all blocks (an odd block in the middle belongs to the last half); a list of
            block numbers counted from 0 over all stages; or None for no block.
        depths: number of blocks in each stage; a ViT has one stage.

    Raises:
        ValueError: for an unknown name, or block numbers that the encoder does not have.
    """
    depth = sum(depths)
    if placement is None:
        return ()
    if placement == "all":
        return tuple(range(depth))
    if placement == "even":
        starts = [sum(depths[:stage]) for stage in range(len(depths))]
        return tuple(start + i for start, blocks in zip(starts, depths, strict=True) for i in range(0, blocks, 2))
    if placement == "first_half":
        return tuple(range(depth // 2))
    if placement == "last_half":
        return tuple(range(depth // 2, depth))
    return _listed(placement, depth)


def _listed(placement: str | Sequence[int], depth: int) -> tuple[int, ...]:
    if isinstance(placement, str) or any(isinstance(i, bool) or not isinstance(i, int) for i in placement):
        given = repr(placement) if isinstance(placement, str) else list(placement)
        raise ValueError(f"placement is {given}, expected one of {', '.join(NAMED)}, a list of block numbers, or null")
    unknown = sorted(i for i in placement if not 0 <= i < depth)
    if unknown:
        raise ValueError(f"placement names blocks {unknown}, but the encoder has blocks 0 to {depth - 1}")
    return tuple(sorted(set(placement)))
