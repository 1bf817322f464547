"""A command's output: whether it can be written, asked before its work and not hours later; and no folder of none."""

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from video_adapters.commands.lock import LOCK, is_held


def check_file(path: Path, option: str) -> None:
    """Makes the folder of a file that is to be written, and tries whether it can be; what is in the file stays.

    Raises:
        ValueError: it cannot, naming the option that asks for it.
    """
    with _refusal(path, option):
        if path.is_dir():
            raise ValueError(f"{option} {path} is a folder, expected the name of a file")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            path.open("ab").close()
        elif not path.exists():  # what is neither is a device or a pipe, which is to be opened but once
            tempfile.TemporaryFile(dir=path.parent).close()


def check_folder(path: Path, option: str) -> None:
    """Makes a folder that is to be written to, and tries whether it can be; raises as `check_file`."""
    with _refusal(path, option):
        path.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path).close()


_parents: dict[Path, list[Path]] = {}  # of a folder, those that were made with it, the innermost first


def make_new(folder: str) -> None:
    """Makes a folder that is not there yet, and those that it is in, for `remove_unused` to remove again."""
    path = Path(folder).absolute()
    _parents[path] = [parent for parent in path.parents if not parent.exists()]
    os.makedirs(folder)


def remove_unused(folder: Path) -> None:
    """Removes a folder that holds nothing but this process's log, and a lock of nobody: nothing has begun in it. So
    nothing has in the folders made for it, where they are empty then."""
    handlers = logging.getLogger().handlers
    logs = {
        Path(handler.baseFilename): handler
        for handler in handlers
        if isinstance(handler, logging.FileHandler) and Path(handler.baseFilename).parent == folder.absolute()
    }
    lock = folder.absolute() / LOCK
    if lock.is_file() and is_held(lock):  # by who may be about to begin
        return
    if not logs or {path.absolute() for path in folder.iterdir()} - {*logs, lock}:
        return
    for path, handler in logs.items():
        logging.getLogger().removeHandler(handler)
        handler.close()
        path.unlink()
    lock.unlink(missing_ok=True)
    folder.rmdir()
    with suppress(OSError):  # not empty: another run's
        for parent in _parents.get(folder.absolute(), []):
            parent.rmdir()


@contextmanager
def _refusal(path: Path, option: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ValueError(f"{option} {path} cannot be written ({error.strerror}): choose another place") from error
