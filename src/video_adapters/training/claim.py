"""A run's folder, held by one run at a time."""

import errno
import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning.pytorch.utilities import rank_zero_only

from video_adapters.commands.atomic import PART
from video_adapters.commands.outputs import LOCK
from video_adapters.trust.checkpoint_file import has_state

log = logging.getLogger(__name__)


class Busy(ValueError):
    """Another process trains in a folder."""


def refuse_another(folder: Path) -> None:
    """Refuses to start a new run where one is that could go on.

    Raises:
        ValueError: naming both ways out.
    """
    if has_state(folder):
        raise ValueError(
            f"{folder} holds a run already, and two in one folder would mix: go on with it by resume={folder}, or give "
            "the new one a folder of its own (hydra.run.dir=FOLDER)"
        )


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Holds a run's folder for this process, and removes what a killed one left half written there.

    The system lets go of the lock when the holder ends, however it ends. It is a POSIX lock: file servers know these
    (NFS), and workers, though forked, do not inherit them. Of a run of several processes the first one holds it.

    Raises:
        Busy: another process holds it.
    """
    if getattr(rank_zero_only, "rank", 0) != 0:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                raise Busy(f"another process is training in {folder}: wait for its end, or stop it first") from error
            log.warning("%s: no locks here (%s): see to it that only one run writes there", folder, error.strerror)
        else:
            for left in (*folder.glob(f".*{PART}"), *folder.glob(f"checkpoints/.*{PART}")):
                left.unlink(missing_ok=True)
        yield
