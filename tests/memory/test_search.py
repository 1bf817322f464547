"""What is chosen on made-up cards, for made-up models whose needs are known."""

from collections.abc import Sequence

import pytest

from video_adapters.memory.allocator import MIB, Event, Peak
from video_adapters.memory.gpu import CONTEXT, LAUNCH, MARGIN, Gpu
from video_adapters.memory.search import MOST_TRACES, Option, Search
from video_adapters.memory.step import Trace
from video_adapters.memory.storage_log import Work

SHARE = 8  # clips of a step
PIECE, INPUT = 100, 20  # MiB a clip: what a block keeps comes in such pieces, and what it keeps if it is recomputed
TFLOP = 10**12


class Model:
    """Four blocks that keep so many pieces a clip, with a trace of forward and backward pass.

    With k of four blocks of one piece recomputed a clip needs 100 (4 - k) + 20 k MiB as the backward pass begins, and
    no more later: a recomputed block is there whole when one above it has gone.
    """

    def __init__(self, pieces: Sequence[int] = (1, 1, 1, 1), flops: int = TFLOP, evaluation: int = 0) -> None:
        self.pieces, self.flops, self.evaluation = pieces, flops, evaluation  # MiB a clip
        self.asked: list[tuple[int, int]] = []

    def __call__(self, clips: int, checkpointed: int, update: list[Event] | None, scored: bool) -> Trace:
        self.asked.append((clips, checkpointed))
        forward, backward = list[Event](), list[Event]()
        for i, count in enumerate(self.pieces):
            kept = [Event(100 * i + piece, PIECE * clips * MIB) for piece in range(1, count + 1)]
            gone = [Event(event.storage, 0) for event in kept]
            if i < checkpointed:
                given = Event(100 * i + 99, INPUT * clips * MIB)
                forward.append(given)
                backward = [*kept, *gone, Event(given.storage, 0), *backward]
            else:
                forward += kept
                backward = [*gone, *backward]
        work = [Work(self.flops * clips, ())] * (3 * len(self.pieces) + checkpointed)
        scores = [Event(1, self.evaluation * clips * MIB)] if scored and self.evaluation else []
        return Trace(clips, [], forward, backward, [], scores, [*work, Work(0, ())])


def gpu(free: float, tflops: float = 10) -> Gpu:
    """A card with so many MiB to plan with."""
    memory = CONTEXT + (free + 0.5) / 1024 / (1 - MARGIN)
    return Gpu(name="made up", memory=memory, capability=6.1, fp32=tflops, fp16=tflops, bandwidth=100)


def search(model: Model, free: float, anchors: Sequence[int] = ()) -> Search:
    return Search(model, anchors or (0, len(model.pieces) - 1), SHARE, gpu(free), half=None)


def chosen(model: Model, free: float, anchors: Sequence[int] = ()) -> tuple[int, int, int]:
    found = search(model, free, anchors).best()
    assert found
    return found.clips, found.passes, found.checkpointed


def test_the_limit_of_a_card_leaves_room_for_the_context_and_a_margin() -> None:
    assert gpu(100).limit == 100 * MIB


@pytest.mark.parametrize(("free", "clips"), [(3300, 8), (1700, 4), (900, 2), (450, 1)])
def test_where_time_is_spent_on_products_nothing_is_recomputed_that_need_not_be(free: int, clips: int) -> None:
    """400 MiB a clip: 8, 4, 2 or 1 of them fit."""
    assert chosen(Model(), free) == (clips, SHARE // clips, 0)


@pytest.mark.parametrize(("free", "checkpointed"), [(400, 0), (350, 1), (250, 2), (170, 3)])
def test_as_few_blocks_are_recomputed_as_fit(free: int, checkpointed: int) -> None:
    """One clip needs 400, 320, 240, 160 MiB with 0, 1, 2, 3 blocks recomputed."""
    assert chosen(Model(), free) == (1, 8, checkpointed)


def test_where_starting_kernels_takes_the_time_fewer_passes_win() -> None:
    """Of 900 MiB, 2 clips take 800, and 4 passes of 13 operators; 4 clips with 3 blocks recomputed 640, and 2 passes
    of 16; 8 clips at least 1280."""
    model = Model(flops=1)
    option = search(model, 900).best()
    assert option
    assert (option.clips, option.passes) == (4, 2)
    assert option.checkpointed == 3  # with 2 they need 960
    assert option.seconds == pytest.approx(2 * 16 * LAUNCH)
    assert option.flops == 2 * 15 * 4


def test_what_is_chosen_was_traced_itself() -> None:
    model = Model()
    found = search(model, 250).best()
    assert found
    assert found.traced
    assert (found.clips, found.checkpointed) in model.asked
    assert len(model.asked) <= 5


def test_estimates_that_a_trace_belies_are_refined() -> None:
    """A first block of three pieces. Beginning with 600, 320, 240, 160 MiB and needing 320 when that block is back,
    0, 1, 2, 3 blocks recomputed reserve 600, 320, 340, 360 (freed inputs fit no piece). The line from 0 to 3 says 440
    for 2; the one from 0 to 2, once that is traced, 470 for 1."""
    model = Model(pieces=(3, 1, 1, 1))
    assert chosen(model, 480) == (1, 8, 1)
    assert model.asked[-2:] == [(1, 2), (1, 1)]


def test_the_end_of_a_stage_that_keeps_most_is_traced_too() -> None:
    """One clip needs 1000, 820, 640, 560, 480, 400, 320, 240 MiB with 0 to 7 blocks recomputed. The line from 0 to 7
    says 783 for 2, and the one to 3, once that is traced, 707."""
    pieces = (2, 2, 1, 1, 1, 1, 1, 1)
    assert chosen(Model(pieces), 700) == (1, 8, 3)
    assert chosen(Model(pieces), 700, anchors=(0, 2, 7)) == (1, 8, 2)


def test_what_fits_in_between_alone_is_found() -> None:
    """0, 1, 2, 3 blocks recomputed reserve 600, 320, 340, 360 MiB, as above."""
    model = Model(pieces=(3, 1, 1, 1))
    assert search(model, 350).best() is None
    assert chosen(model, 350, anchors=(0, 1, 3)) == (1, 8, 1)


def test_the_evaluation_has_to_fit_too() -> None:
    """It finds no piece as large as it needs: beside the 400, 320, 240, 160 MiB of a clip it takes 500."""
    assert chosen(Model(), 800) == (2, 4, 0)
    assert chosen(Model(evaluation=500), 800) == (1, 8, 2)


def test_it_gives_up_after_so_many_traces() -> None:
    """None of the 8 splits of 24 clips fits, though all look as if they did before they are evaluated."""
    model = Model(evaluation=10**6)
    assert Search(model, (0, 3), 24, gpu(10_000), half=None).best() is None
    assert len(model.asked) == 2 + MOST_TRACES


def test_what_is_reserved_counts() -> None:
    option = Option(1, 8, 0, Peak(100 * MIB, 200 * MIB), flops=0, seconds=1.0, traced=True)
    assert not search(Model(), 150).fits(option)
    assert search(Model(), 200).fits(option)


def test_of_the_equally_quick_the_one_that_reserves_less_is_taken() -> None:
    tied = search(Model(), 400)
    for clips, mib in ((1, 300), (2, 200), (4, 300)):
        peak = Peak(mib * MIB, mib * MIB)
        tied.noted[clips, 0] = Option(clips, SHARE // clips, 0, peak, flops=0, seconds=1e-6, traced=True)
    best = tied.best()
    assert best
    assert best.clips == 2


def test_so_many_blocks_are_recomputed_in_any_case() -> None:
    found = search(Model(), 900, anchors=(1, 3)).best()
    assert found
    assert found.checkpointed == 1


def test_nothing_is_chosen_where_nothing_fits() -> None:
    small = search(Model(), 150)
    assert small.best() is None
    assert not any(small.fits(option) for option in small.options())


def test_every_split_is_considered_and_keeps_the_clips_of_a_step() -> None:
    options: list[Option] = search(Model(), 900).options()
    assert sorted({option.clips for option in options}) == [1, 2, 4, 8]
    assert all(option.clips * option.passes == SHARE for option in options)
