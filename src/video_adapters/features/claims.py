"""Claims of processes on groups of rows: locks, which the system frees when a process dies, say who computes what."""

import errno
import fcntl
import logging
import os
from pathlib import Path
from types import TracebackType

log = logging.getLogger(__name__)


class Claims:
    """Locks on single bytes of a file, one for each group, held by this process until they are released or it ends.

    They are POSIX locks: file servers know them (NFS), and forked workers do not inherit them. All are lost when the
    process closes the file by any of its names, so it is opened once.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)

    def __enter__(self) -> "Claims":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def take(self, group: int) -> bool:
        """Whether the group is this process's now; always, where the file system knows no locks."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, group)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                return False
            log.warning("no locks here (%s): two processes that compute features may do the same work", error.strerror)
        return True

    def release(self, group: int) -> None:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, group)
        except OSError:  # where there are none
            return
