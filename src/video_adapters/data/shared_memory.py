"""Room for the batches that loading processes hand over, in the shared memory of the machine."""

import os
import resource
import sys
from typing import NamedTuple

BATCHES_AHEAD = 2  # of each loading process (torch's prefetch_factor)
BATCHES_IN_USE = 2  # on their way from a loader to the device
PLACE = "/dev/shm"


class Need(NamedTuple):
    """What the loaders of one machine hold at most."""

    batch: int  # bytes of the largest batch, a file of its own
    workers: int  # loading processes of each process that trains (data.num_workers)
    processes: int = 1  # that train on this machine
    loaders: int = 1  # of each such process that are full at once

    def total(self, workers: int | None = None) -> int:
        """Bytes over all processes, with so many workers each: batches made ahead and batches in use."""
        workers = self.workers if workers is None else workers
        return self.processes * self.loaders * (workers * BATCHES_AHEAD + BATCHES_IN_USE) * self.batch


def check_room(need: Need) -> None:
    """Refuses loaders that could lose a batch, for which the run would then wait; a ValueError says what to do."""
    if not need.workers or sys.platform != "linux":  # elsewhere shared memory is not bounded by a folder
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if limit != resource.RLIM_INFINITY and limit < need.batch:
        raise ValueError(
            f"the limit on the size of a file (ulimit -f) is {_mib(limit)}, and a batch is handed over in one of "
            f"{_mib(need.batch)}: raise it by ulimit -f unlimited, or take data.num_workers=0"
        )
    room = _free()
    if need.total() > room:
        of = f" x {need.processes} processes" if need.processes > 1 else ""
        of += " x 2 loaders, since validation comes amid an epoch" if need.loaders > 1 else ""
        fewer = max((workers for workers in range(1, need.workers) if need.total(workers) <= room), default=0)
        there = f"has {_mib(room)} free" if os.path.isdir(PLACE) else "does not exist"
        raise ValueError(
            f"data.num_workers={need.workers} loading processes take {_mib(need.total())} of shared memory "
            f"({need.workers} x {BATCHES_AHEAD} batches ahead and {BATCHES_IN_USE} in use, of {_mib(need.batch)}{of}), "
            f"but {PLACE} {there}: give the container more (docker run --shm-size={_rounded(need.total())}m, "
            f"or --ipc=host), or take data.num_workers={fewer}"
        )


def _free() -> int:
    try:
        there = os.statvfs(PLACE)
    except FileNotFoundError:
        return 0
    return there.f_bavail * there.f_frsize


def _mib(count: int) -> str:
    return f"{count / 2**20:.0f} MiB" if count >= 10 * 2**20 else f"{count / 2**20:.1f} MiB"


def _rounded(count: int) -> int:
    """MiB to ask for: the next power of 2 that leaves a quarter free, for whatever else is there."""
    return 2 ** (int(count / 2**20 * 4 / 3)).bit_length()
