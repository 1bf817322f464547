"""The log of storages, against sums done by hand and against real tensors."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.checkpoint import checkpoint

from video_adapters.memory.allocator import CachingAllocator, Event
from video_adapters.memory.storage_log import Recorder

ROWS, WIDTH = 32, 64
SIZE = ROWS * WIDTH * 4  # bytes of one activation, 16 blocks of 512


def layers(count: int, train: bool = True) -> nn.Sequential:
    return nn.Sequential(*(nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(count))).requires_grad_(train)


def alive(log: list[Event]) -> int:
    born = {event.storage: event.size for event in log if event.size}
    for event in log:
        if not event.size:
            del born[event.storage]
    return sum(born.values())


def forward(network: nn.Module) -> tuple[int, Recorder]:
    """Bytes that are there after a forward pass of new input, beside the weights and with the output."""
    recorder = Recorder()
    recorder.hold(network.parameters())
    with recorder:
        y = network(torch.zeros(ROWS, WIDTH))
    kept = alive(recorder.log) - sum(p.numel() * 4 for p in network.parameters())
    del y
    return kept, recorder


class Recomputed(nn.Sequential):
    """Its modules in a row, recomputed in the backward pass."""

    def forward(self, x: Tensor) -> Tensor:
        return checkpoint(super().forward, x, use_reentrant=False)


def test_a_trained_linear_keeps_its_input_and_a_frozen_one_nothing() -> None:
    assert forward(layers(3))[0] == 4 * SIZE  # input, two between, output
    assert forward(layers(3, train=False))[0] == SIZE  # output
    # frozen weights above a trained one ask for no input either, only gradients pass through them
    assert forward(nn.Sequential(layers(1), layers(2, train=False)))[0] == 2 * SIZE


def test_a_checkpointed_part_keeps_its_input_alone() -> None:
    assert forward(nn.Sequential(layers(1), layers(4)))[0] == 6 * SIZE
    # the first one's input, the part's input, the output
    assert forward(nn.Sequential(layers(1), Recomputed(*layers(4))))[0] == 3 * SIZE


def test_views_are_no_storage_of_their_own_and_copies_are() -> None:
    x = torch.zeros(ROWS, WIDTH)
    recorder = Recorder()
    with recorder:
        recorder.hold([x])
        y = x.view(-1).unflatten(0, (WIDTH, ROWS)).transpose(0, 1)
        assert alive(recorder.log) == SIZE
        z = y.contiguous()
        assert alive(recorder.log) == 2 * SIZE
        del z
        assert alive(recorder.log) == SIZE
    del y


def step(network: nn.Module, optimizer: torch.optim.Optimizer) -> list[Event]:
    """The log of two optimizer steps."""
    recorder = Recorder()
    recorder.hold(network.parameters())
    with recorder:
        for _ in range(2):
            loss = network(torch.zeros(ROWS, WIDTH)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            del loss
            optimizer.step()
    return recorder.log


class Block(nn.Module):
    """Norm, attention, checkpointed MLP: operators of all kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm(x)).view(1, ROWS, 3, 4, -1).permute(2, 0, 3, 1, 4)
        y = nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(ROWS, WIDTH)
        return x + y + checkpoint(self.mlp, y, use_reentrant=False)


@pytest.mark.parametrize(
    "make", [lambda: layers(3), lambda: nn.Sequential(Block(), Block())], ids=["linears", "blocks"]
)
def test_fakes_leave_the_log_that_real_tensors_leave(make: Callable[[], nn.Module]) -> None:
    logs = []
    for fake in (False, True):
        with FakeTensorMode() if fake else torch.random.fork_rng():
            network = make()
            logs.append(step(network, torch.optim.AdamW(network.parameters(), foreach=True)))
    real, faked = (CachingAllocator().run(log) for log in logs)
    assert faked == real
    assert sum(event.size for event in logs[0]) == sum(event.size for event in logs[1])


def test_work_counts_products_by_their_flops_and_what_operators_read_and_write() -> None:
    _, recorder = forward(layers(1, train=False))
    assert [work.flops for work in recorder.work if work.flops] == [2 * ROWS * WIDTH * WIDTH]
    x = torch.zeros(ROWS, WIDTH)
    recorder = Recorder()
    recorder.hold([x])
    with recorder:
        x.view(-1)  # costs nothing
        x + x
        x.add_(1)
    assert [work.sizes for work in recorder.work] == [(SIZE,) * 3, (SIZE,) * 2]
