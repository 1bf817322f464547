"""Files that are there whole or not at all: written beside their place, on disk, then renamed."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PART = ".part"  # ends the names of files that are being written


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside a file, this process's own, to write to; what was written takes the file's place.

    A kill leaves the file as it was, or as it is to be.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}{PART}")
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        error.filename = error.filename or str(path)  # what has failed to write knows no name
        raise
    finally:
        part.unlink(missing_ok=True)  # a disk that is full is not helped by half a file
