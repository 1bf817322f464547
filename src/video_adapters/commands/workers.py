"""Jobs spread over processes, so that one that crashes or hangs costs nothing but itself."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
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
    """A process that does one job at a time."""

    def __init__(self, work: Callable[[Job], Result]) -> None:
        self.connection, far = START.Pipe()
        self._process = START.Process(target=_serve, args=(work, far, os.getpid()), daemon=True)
        self._process.start()
        far.close()
        self.job: Job | None = None
        self.started = 0.0
        self.limit = 0.0  # seconds

    def begin(self, job: Job, limit: float) -> None:
        self.job, self.started, self.limit = job, time.monotonic(), limit
        self.connection.send(job)

    def finish(self) -> "Result | Failure":
        """What came of the job; to be called when the connection has something to say."""
        try:
            result: Result | Failure = self.connection.recv()
        except (EOFError, OSError):
            self._process.join()
            return Failure(f"its process died: {_death(self._process.exitcode)}")
        return result

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def stop(self) -> None:
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
    workers: list[_Worker[Job, Result]] = []
    try:
        for job in waiting:
            workers.append(_Worker(work))
            workers[-1].begin(job, limit(job))
            if len(workers) == num_workers:
                break
        while workers:
            for worker, result in _ended(workers):
                assert worker.job is not None
                yield worker.job, result
                workers.remove(worker)
                following = next(waiting, None)
                if following is None:
                    worker.stop()
                    continue
                if not worker.alive:
                    worker.stop()
                    worker = _Worker(work)
                worker.begin(following, limit(following))
                workers.append(worker)
    finally:
        for worker in workers:
            worker.stop()


def _ended(workers: list[_Worker[Job, Result]]) -> list[tuple[_Worker[Job, Result], Result | Failure]]:
    """The workers that have come to an end with their jobs by the next tick."""
    by_connection = {worker.connection: worker for worker in workers}
    speaking = [by_connection[one] for one in wait(list(by_connection), timeout=TICK) if isinstance(one, Connection)]
    ended: list[tuple[_Worker[Job, Result], Result | Failure]] = [(worker, worker.finish()) for worker in speaking]
    for worker in workers:
        if worker not in speaking and time.monotonic() - worker.started > worker.limit:
            worker.stop()
            ended.append((worker, Failure(f"took more than {worker.limit:g} s")))
    return ended


def _serve(work: Callable[[Job], Result], connection: Connection, parent: int) -> None:
    """Does the jobs that come through the connection, until there is no parent any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    while os.getppid() == parent:
        if connection.poll(TICK):
            connection.send(_result(work, connection.recv()))


def _result(work: Callable[[Job], Result], job: Job) -> Result | Failure:
    try:
        return work(job)
    except Exception as error:  # whatever it is, it must cost no other job
        return Failure(f"{type(error).__name__}: {error}")


def _death(code: int | None) -> str:
    return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"


def cores(num_workers: int | None) -> int:
    """So many, or all that this process may use.

    Raises:
        ValueError: for fewer than one.
    """
    if num_workers is not None and num_workers < 1:
        raise ValueError(f"--workers is {num_workers}, expected at least 1")
    if num_workers is None and hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return num_workers or os.cpu_count() or 1
