"""Traces of a step, put together and scaled, against whole steps run for real."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from video_adapters.memory.allocator import ARRIVED, MIB, CachingAllocator, Event, Peak, most_alive
from video_adapters.memory.kernels import cublas_workspaces
from video_adapters.memory.step import Trace, Workload, _buckets, record, turn_into_fakes
from video_adapters.memory.storage_log import Recorder

PASCAL = (6, 1)
WIDTH, CLASSES, TOKENS = 96, 7, 50


def network() -> nn.Sequential:
    """Half of it frozen; the last layers have a bias, the norm trains."""
    frozen = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU()).requires_grad_(False)
    return nn.Sequential(frozen, nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, CLASSES))


def clips(count: int) -> Tensor:
    return torch.zeros(count, TOKENS, WIDTH)


def loss(module: nn.Module, count: int) -> Tensor:
    return F.cross_entropy(module(clips(count)).mean(1), torch.zeros(count, dtype=torch.long))


def workload(half: torch.dtype | None = None, clip_norm: float | None = None) -> Workload:
    with torch.device("meta"):
        module = network()
    return Workload(
        module=module,
        loss=lambda count: loss(module, count),
        score=lambda count: module(clips(count)),
        optimizer=lambda: torch.optim.AdamW(p for p in module.parameters() if p.requires_grad),
        half=half,
        clip_norm=clip_norm,
    )


def run_for_real(count: int, passes: int) -> Peak:
    """Two steps and an evaluation, in Lightning's order."""
    module = network()
    optimizer = torch.optim.AdamW((p for p in module.parameters() if p.requires_grad), foreach=True)
    recorder = Recorder()
    recorder.hold(module.parameters())
    recorder.keep(cublas_workspaces(PASCAL))
    with recorder:
        for _ in range(2):
            for i in range(passes):
                value = loss(module, count)
                if i == 0:
                    optimizer.zero_grad()
                value.backward()
                del value
            optimizer.step()
        with torch.no_grad():
            module(clips(count))
    return CachingAllocator().run(recorder.log)


def test_the_log_of_steps_is_put_together_from_its_parts() -> None:
    trace = Trace(
        clips=1,
        held=[Event(1, 1000)],
        forward=[Event(2, 10), Event(3, 20), Event(3, 0)],
        backward=[Event(4, 40), Event(4, ARRIVED), Event(2, 0)],
        first_update=[Event(5, 50), Event(6, 60), Event(6, 0)],
        evaluation=[Event(7, 70), Event(7, 0)],
        work=[],
    )
    f = 10**7
    one = [(1, 1000), (2 + f, 10), (3 + f, 20), (3 + f, 0), (4 + f, 40), (2 + f, 0), (5, 50)]
    update = [(6, 60), (6, 0)]  # what stays of the first one, 5, is there at the next
    next_forward = [(2 + 3 * f, 10), (3 + 3 * f, 20), (3 + 3 * f, 0)]
    next_backward = [(4 + f, 0), (4 + 3 * f, 40), (2 + 3 * f, 0)]  # the old gradient goes before
    both = [*one, *update, *next_forward, *next_backward, *update]
    assert list(trace.steps(1)) == [*both, (7, 70), (7, 0)]
    second = [(2 + 2 * f, 10), (3 + 2 * f, 20), (3 + 2 * f, 0), (4 + 2 * f, 40), (4 + 2 * f, 0), (2 + 2 * f, 0)]
    assert list(trace.steps(2))[len(one) - 1 :][: len(second)] == second  # what it adds to the gradients goes at once
    assert len(list(trace.steps(9))) == len(list(trace.steps(2)))


@pytest.mark.parametrize("passes", [1, 2, 3])
def test_a_trace_predicts_what_steps_run_for_real_need(passes: int) -> None:
    trace = record(workload(), 4, PASCAL, update=None, scored=True)
    assert CachingAllocator().run(trace.steps(passes)) == run_for_real(4, passes)


def test_one_trace_tells_of_every_number_of_clips() -> None:
    scaled = record(workload(), 5, PASCAL, update=None, scored=True).scaled(8)
    traced = record(workload(), 8, PASCAL, update=None, scored=True)
    assert list(scaled.steps(2)) == list(traced.steps(2))
    assert scaled.work == traced.work


def test_what_is_of_a_parameters_size_or_its_half_or_double_does_not_grow_with_the_clips() -> None:
    log = [Event(2, 500), Event(3, 1000), Event(4, 2000), Event(5, 1500), Event(6, 1001)]
    trace = Trace(5, [Event(1, 1000)], log, [], [], [], work=[])
    assert [size for _, size in trace.scaled(10).forward] == [500, 1000, 2000, 3000, 1001]


def test_updates_are_taken_over_and_evaluation_is_left_out() -> None:
    whole = record(workload(), 4, PASCAL, update=None, scored=True)
    part = record(workload(), 4, PASCAL, update=whole.first_update, scored=False)
    assert not part.evaluation
    assert list(part.steps(1)) == list(whole._replace(evaluation=[]).steps(1))


def test_processes_that_share_a_step_keep_a_copy_of_the_gradients() -> None:
    alone = record(workload(), 4, PASCAL, update=None, scored=False)
    shared = record(replace(workload(), shared=True), 4, PASCAL, update=None, scored=False)
    gradients = (2 * WIDTH + WIDTH * WIDTH + WIDTH + WIDTH * CLASSES + CLASSES) * 4
    assert sum(size for _, size in shared.held) - sum(size for _, size in alone.held) == gradients


def test_the_copy_is_kept_in_portions() -> None:
    module = nn.Linear(MIB, 13, bias=False, device="meta")  # 52 MiB
    assert _buckets(replace(workload(), module=module)) == [25 * MIB, 25 * MIB, 2 * MIB]


def test_updates_take_all_parameters_at_once_as_on_a_card() -> None:
    trace = record(workload(), 4, PASCAL, update=None, scored=False)
    trained = (2 * WIDTH + WIDTH * WIDTH + WIDTH + WIDTH * CLASSES + CLASSES) * 4
    assert trained <= most_alive(trace.next_update) < 1.1 * trained  # the roots of the second moments, and crumbs
    state = [event.size for event in trace.first_update if event.size]
    assert sum(state) >= 2 * trained  # both moments


def test_half_precision_is_recorded() -> None:
    def kept(half: torch.dtype | None) -> int:
        trace = record(workload(half), 64, PASCAL, update=None, scored=False)
        return CachingAllocator().run(trace.steps(1)).allocated

    assert kept(torch.float16) < kept(None)


def test_updates_unscale_fp16s_gradients_and_clip() -> None:
    def made(half: torch.dtype, clip_norm: float | None) -> int:
        trace = record(workload(half, clip_norm), 4, PASCAL, update=None, scored=False)
        return sum(event.size > 0 for event in trace.first_update)

    plain = made(torch.bfloat16, None)
    assert made(torch.float16, None) == plain + 2  # whether any is infinite, and the scale
    assert made(torch.bfloat16, 1.0) > plain  # norms


def test_fakes_are_shared_where_parameters_were() -> None:
    with torch.device("meta"):
        module = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8), nn.BatchNorm1d(8))
    module[1].weight = module[0].weight
    module[1].requires_grad_(False)
    with FakeTensorMode():
        turn_into_fakes(module)
        assert module[0].weight is module[1].weight
        assert not module[1].weight.requires_grad
        assert module[0].bias.requires_grad
        assert {t.device.type for t in (*module.parameters(), *module.buffers())} == {"cpu"}
