"""Jobs spread over processes, so that one that crashes or hangs costs nothing but itself."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from itertools import islice
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


class _Pool(Generic[Job, Result]):
    """Processes, some of which work on a job with a number."""

    def __init__(self, work: Callable[[Job], Result], num_workers: int) -> None:
        self.idle: list[_Worker[Job, Result]] = [_Worker(work) for _ in range(num_workers)]
        self.busy: dict[int, _Worker[Job, Result]] = {}

    def begin(self, number: int, job: Job, limit: float) -> None:
        self.busy[number] = self.idle.pop()
        self.busy[number].begin(job, limit)

    def ended(self) -> Iterator[tuple[int, Job, Result | Failure]]:
        """Jobs that have ended by now, after a short wait if none has."""
        wait([worker.connection for worker in self.busy.values()], timeout=TICK)
        for number in [number for number, worker in self.busy.items() if worker.ended()]:
            worker = self.busy.pop(number)
            self.idle.append(worker)
            yield number, worker.job, worker.result

    def close(self) -> None:
        for worker in [*self.idle, *self.busy.values()]:
            worker.stop()


def spread(
    work: Callable[[Job], Result], jobs: Iterable[Job], num_workers: int, limit: Callable[[Job], float]
) -> Iterator[tuple[Job, Result | Failure]]:
    """Does every job in one of `num_workers` processes; jobs with what came of each, in the order in which they end.

    An exception of the work is a Failure, and so is the death of its process, which is killed after as many seconds as
    `limit` says of the job.
    """
    waiting = enumerate(jobs)
    with closing(_Pool(work, num_workers)) as pool:
        while True:
            for number, job in islice(waiting, len(pool.idle)):
                pool.begin(number, job, limit(job))
            if not pool.busy:
                return
            for _, job, result in pool.ended():
                yield job, result


def spread_in_order(
    work: Callable[[Job], Result],
    jobs: Iterable[tuple[Job, Result | None]],
    num_workers: int,
    limit: Callable[[Job], float],
    ahead: int,
) -> Generator[tuple[Job, Result | Failure], None, None]:
    """The same in the order of the jobs, each of which may come with a result that is there already.

    At most `ahead` jobs are begun before the first one that has not ended, so that few results are held.
    """
    waiting = iter(jobs)
    ends: dict[int, tuple[Job, Result | Failure]] = {}  # by number, of jobs whose turn has not come
    begun = turn = 0
    with closing(_Pool(work, num_workers)) as pool:
        while True:
            while pool.idle and begun < turn + ahead and (pair := next(waiting, None)):
                job, result = pair
                if result is None:
                    pool.begin(begun, job, limit(job))
                else:
                    ends[begun] = job, result
                begun += 1
            if turn == begun:
                return
            if turn in ends:
                yield ends.pop(turn)
                turn += 1
            else:
                ends |= {number: (job, end) for number, job, end in pool.ended()}


def _serve(work: Callable[[Job], Result], connection: Connection, parent: int) -> None:
    """Does the jobs that come through the connection, until there is no parent any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with suppress(BrokenPipeError, ConnectionResetError, EOFError):  # the parent was killed
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
