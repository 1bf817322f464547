"""Messages between the processes of a run."""

import atexit
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning as L
import torch.distributed as dist

GRACE = 10  # seconds that the others have to end by themselves


def gather(mine: Any) -> list[Any]:
    """Every process's object, on every process."""
    if not (dist.is_available() and dist.is_initialized()):
        return [mine]
    objects: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(objects, mine)
    return objects


@contextmanager
def ending_others(trainer: L.Trainer) -> Iterator[None]:
    """Ends the processes that Lightning has started from this one, where this one fails: at its end, when all is said,
    since their end by force is answered with its own. They would wait for it in what all do together."""
    try:
        yield
    except BaseException:
        for process in getattr(trainer.strategy.launcher, "procs", []):
            atexit.register(_end, process)
        raise


def _end(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
