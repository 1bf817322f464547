"""Files that are there whole or not at all: written beside their place, on disk, then renamed."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PART = ".part"  # ends the names of files that are being written


@contextmanager
def replacing(path: Path, over: bool = True) -> Iterator[Path]:
    """A name beside a file, this process's own, to write to; what was written takes the file's place.

    A kill leaves the file as it was, or as it is to be. What is no file (a pipe, /dev/stdout) is written to itself.

    Raises:
        FileExistsError: there is a file, and it is not to be written over.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    name = os.fsdecode(os.fsencode(path.name)[:150])  # of the 255 bytes that a name may have
    part = path.with_name(f".{name}.{socket.gethostname()[:40]}.{os.getpid()}{PART}")
    part.unlink(missing_ok=True)  # a link there would be followed
    try:
        yield part
        put(part, path, over)
    except OSError as error:
        error.filename = error.filename or str(path)  # what has failed to write knows no name
        raise
    finally:
        part.unlink(missing_ok=True)  # a disk that is full is not helped by half a file


def put(part: Path, path: Path, over: bool = True) -> None:
    """Gives a file or a folder its name, once it is on disk; over another one as `replacing` says."""
    opened = os.open(part, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
    if not over:
        try:
            os.link(part, path)
            return
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            path.open("x").close()
    os.replace(part, path)


def write_text(path: Path, text: str, errors: str = "strict") -> None:
    """Writes a text, in UTF-8; `errors`: see `open`."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8", errors=errors)


def remove_parts(*folders: Path) -> None:
    """Removes what killed processes have left half written in folders that are this process's alone."""
    for folder in folders:
        for part in folder.glob(f".*{PART}"):
            with suppress(FileNotFoundError):
                part.unlink()
