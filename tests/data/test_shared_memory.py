"""Loaders need room to hand batches over: too little is refused, and a batch that is lost all the same ends the run."""

import atexit
import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import pytest

from video_adapters.commands.lost_batch import why_no_batch
from video_adapters.data import loader as loader_module
from video_adapters.data import shared_memory
from video_adapters.data.from_config import build_data
from video_adapters.data.shared_memory import Need, check_room
from video_adapters.training.trainer import validates_early

from helpers.toy import composed

MIB = 2**20


def room(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_bavail=count // 4096, f_frsize=4096))


def test_a_container_of_64_mib_is_refused_with_both_cures(monkeypatch: pytest.MonkeyPatch) -> None:
    room(monkeypatch, 64 * MIB)
    # 8 clips of 8 frames of 3 x 224 x 224 bytes are 9.2 MiB; 8 processes hold 16 of these, and 2 are in use
    with pytest.raises(ValueError, match=r"take 165 MiB .* has 64 MiB free.*--shm-size=256m.*data.num_workers=2$"):
        check_room(Need(8 * 8 * 3 * 224 * 224, 8))
    check_room(Need(8 * 8 * 3 * 224 * 224, 2))
    with pytest.raises(ValueError, match=r"x 2 processes.*data.num_workers=0$"):
        check_room(Need(8 * 8 * 3 * 224 * 224, 2, processes=2))
    check_room(Need(8 * 8 * 3 * 224 * 224, 0, processes=2))
    with pytest.raises(ValueError, match=r"take 110 MiB .* x 2 loaders, .* amid an epoch\).*data.num_workers=0$"):
        check_room(Need(8 * 8 * 3 * 224 * 224, 2, loaders=2))


def test_a_machine_without_shared_memory_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shared_memory, "PLACE", str(tmp_path / "shm"))
    with pytest.raises(ValueError, match=r"shm does not exist: .*data.num_workers=0$"):
        check_room(Need(1, 1))


def test_a_limit_on_the_size_of_files_is_compared_with_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (5 * MIB, -1))
    with pytest.raises(ValueError, match=r"ulimit -f\) is 5.0 MiB, .* one of 6.0 MiB: .*data.num_workers=0"):
        check_room(Need(6 * MIB, 1))
    check_room(Need(4 * MIB, 1))


def test_the_largest_batch_of_all_uses_counts(shapes: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    needs: list[Need] = []
    monkeypatch.setattr("video_adapters.data.datamodule.check_room", needs.append)
    sizes = ["batch.per_step=8", "batch.per_device=2", "data.num_workers=3", "data.test_views.crops=3"]
    data = build_data(composed(*shapes, *sizes))
    data.check_room(("train", "val"), devices=4, processes=2)
    data.check_room(("train", "val", "test"), devices=4, processes=2, amid_epoch=True)
    clip = 8 * 3 * 40 * 40
    assert needs == [Need(2 * clip, 3, 2), Need(3 * clip, 3, 2, 2)]


@pytest.mark.parametrize(
    ("settings", "amid"),
    [
        ({}, False),
        ({"val_check_interval": 0.5}, True),
        ({"val_check_interval": 1}, True),
        ({"max_time": "00:01:00:00"}, True),
    ],
)
def test_validation_amid_an_epoch_finds_the_training_batches_there(settings: dict[str, Any], amid: bool) -> None:
    trainer = L.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, **settings)
    assert validates_early(trainer) is amid


def loader(shapes: list[str], *overrides: str) -> Any:
    return build_data(composed(*shapes, "data.num_workers=1", *overrides)).train_dataloader()


def started(shapes: list[str]) -> tuple[Any, Iterator[Any]]:
    """A loading process, and what it loads."""
    others = multiprocessing.active_children()
    batches = iter(loader(shapes))
    next(batches)
    [process] = set(multiprocessing.active_children()) - set(others)
    return process, batches


def test_a_batch_that_finds_no_room_ends_the_loading(shapes: list[str]) -> None:
    """Where torch's queue moves batches, it prints the error in a thread of its own, and waits for ever."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))  # of 4 clips of 38 400 bytes
    try:
        with pytest.raises(RuntimeError, match="File too large") as error:
            next(iter(loader(shapes)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "ran out of shared memory" in (why_no_batch(error.value) or "")


def test_a_loading_process_that_is_killed_ends_the_loading(shapes: list[str]) -> None:
    process, batches = started(shapes)

    def go_on() -> None:
        os.kill(process.pid, signal.SIGKILL)
        list(batches)

    try:
        with pytest.raises(RuntimeError) as error:
            go_on()
    finally:  # where the queue tells of the death first, torch's handler would again, amid whatever runs then
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    assert "was killed (SIGKILL), as the system does when memory runs out" in (why_no_batch(error.value) or "")


def test_a_loader_that_is_forgotten_holds_up_no_exit(shapes: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers let a first SIGTERM pass; multiprocessing sends but one, and then waits for them without a limit."""
    at_exit: list[Any] = []
    monkeypatch.setattr(atexit, "register", lambda call, *arguments: at_exit.append(lambda: call(*arguments)))
    process, _batches = started(shapes)
    for call in reversed(at_exit):
        call()
        time.sleep(0.3)  # in which torch would raise that a worker was killed
    process.join(timeout=20)
    assert process.exitcode == -signal.SIGKILL


def test_fewer_cores_than_loading_processes_are_named_once(
    shapes: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    loader_module._warn_of_few_cores.cache_clear()
    data = build_data(composed(*shapes, "data.num_workers=2"))
    for batches in (data.train_dataloader(), data.val_dataloader()):
        next(iter(batches))
    message = "data.num_workers=2 loading processes share 1 core: data.num_workers=1 would be as fast"
    assert [record.message for record in caplog.records if "num_workers" in record.message] == [message]


def test_a_loading_process_that_stands_still_ends_the_loading(
    shapes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("video_adapters.data.dataset.TrainClips.__getitem__", lambda self, key: time.sleep(60))
    with pytest.raises(RuntimeError) as error:
        next(iter(loader(shapes, "data.timeout=0.2")))
    assert "no batch came for 0.2 s: " in (why_no_batch(error.value) or "")


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("DataLoader worker (pid 5) is killed by signal: Bus error. It is possible ...", "out of shared memory"),
        ("DataLoader worker (pid 5) is killed by signal: Segmentation fault. ", r"by a signal \(Segmentation fault\)"),
        ("DataLoader worker (pid(s) 5) exited unexpectedly", "ended by itself"),
        (
            "[gloo/transport/tcp/pair.cc:561] Connection closed by peer [::1]:1445.",
            "another process of this run has ended",
        ),
        ("Too many open files. Communication with the workers is no longer possible.", "ulimit -n 65536"),
    ],
)
def test_what_torch_says_is_put_into_a_sentence(said: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        raise ValueError(why_no_batch(RuntimeError(said)))


def test_other_errors_are_nobody_elses() -> None:
    assert why_no_batch(RuntimeError("mat1 and mat2 shapes cannot be multiplied")) is None
    assert why_no_batch(ValueError("shared memory")) is None
