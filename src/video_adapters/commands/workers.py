"""Jobs spread over processes, so that one that crashes or hangs costs nothing but itself."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Generic, NamedTuple, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

START = multiprocessing.get_context("fork") if sys.platform == "linux" else multiprocessing.get_context("spawn")
"""How processes that decode are started: forked, they have loaded already what they need; where the system knows no
fork, or (macOS) none that its own libraries survive, they are started anew."""
TICK = 1.0  # seconds between looks at the clock


class Failure(NamedTuple):
    """A job that gave no result."""

    reason: str


class _Worker(Generic[Job, Result]):
    """A process that does one job at a time; when it has died, the next job gets a new one."""

    job: Job
    result: Result | Failure

    def __init__(self, work: Callable[[Job], Result]) -> None:
        self._work = work
        self._process: BaseProcess | None = None

    def begin(self, job: Job, limit: float) -> None:
        """Starts a job that may take so many seconds."""
        if self._process is None or not self._process.is_alive():
            self.stop()
            self.connection, far = START.Pipe()
            self._process = START.Process(target=_serve, args=(self._work, far, os.getpid()), daemon=True)
            self._process.start()
            far.close()
        self.job, self._limit, self._started = job, limit, time.monotonic()
        self.connection.send(job)

    def ended(self) -> bool:
        """Whether the job has come to an end; `result` is then what came of it."""
        assert self._process is not None
        if self.connection.poll():
            try:
                self.result = self.connection.recv()
            except (EOFError, OSError):
                self._process.join()
                code = self._process.exitcode or 0
                name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
                self.result = Failure(f"its process died: {name}")
        elif time.monotonic() - self._started > self._limit:
            self.stop()
            self.result = Failure(f"took more than {self._limit:g} s")
        else:
            return False
        return True

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self.connection.close()


def spread(
    work: Callable[[Job], Result], jobs: Iterable[Job], num_workers: int, limit: Callable[[Job], float]
) -> Iterator[tuple[Job, Result | Failure]]:
    """Does every job in one of `num_workers` processes; jobs with what came of each, in the order in which they end.

    An exception of the work is a Failure, and so is the death of its process, which is killed after as many seconds as
    `limit` says of the job.
    """
    waiting = iter(jobs)
    idle: list[_Worker[Job, Result]] = [_Worker(work) for _ in range(num_workers)]
    busy: list[_Worker[Job, Result]] = []
    try:
        while True:
            for worker, job in zip([*idle], waiting, strict=False):
                worker.begin(job, limit(job))
                idle.remove(worker)
                busy.append(worker)
            if not busy:
                return
            wait([worker.connection for worker in busy], timeout=TICK)
            for worker in [worker for worker in busy if worker.ended()]:
                busy.remove(worker)
                idle.append(worker)
                yield worker.job, worker.result
    finally:
        for worker in [*idle, *busy]:
            worker.stop()


def _serve(work: Callable[[Job], Result], connection: Connection, parent: int) -> None:
    """Does the jobs that come through the connection, until there is no parent any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    while os.getppid() == parent:
        if connection.poll(TICK):
            job = connection.recv()
            try:
                result: Result | Failure = work(job)
            except Exception as error:  # whatever it is, it must cost no other job
                result = Failure(f"{type(error).__name__}: {error}")
            connection.send(result)


def cores(num_workers: int | None) -> int:
    """So many, or all that this process may use; a ValueError for fewer than one."""
    if num_workers is not None and num_workers < 1:
        raise ValueError(f"--workers is {num_workers}, expected at least 1")
    if num_workers is None and hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return num_workers or os.cpu_count() or 1
