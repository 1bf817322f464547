"""Files that one process at a time holds."""

import errno
import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)

LOCK = ".lock"
"""The empty file in a folder that its process locks."""

_held: set[Path] = set()  # a process that opened and closed a file again would lose its lock on it


class Busy(ValueError):
    """Another process holds a file."""


@contextmanager
def alone(path: Path, refusal: str = "", wait: bool = False) -> Iterator[bool]:
    """Holds a file for this process, or waits for its holder's end; false where the file system knows no locks.

    The system lets go of the lock when the holder ends, however it ends. It is a POSIX lock: file servers know these
    (NFS), and workers, though forked, do not inherit them.

    Raises:
        Busy: another process holds it, with the `refusal` as its message.
    """
    path = path.absolute()
    if path in _held:
        raise Busy(refusal)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                raise Busy(refusal) from error
            log.warning("%s: no locks here (%s): see to it that only one writes there", path.parent, error.strerror)
            yield False
            return
        _held.add(path)
        try:
            yield True
        finally:
            _held.discard(path)


def is_held(path: Path) -> bool:
    """Whether a process holds a file that is there."""
    try:
        with alone(path):
            return False
    except Busy:
        return True
