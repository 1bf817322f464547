"""From an exception to the one message that its cause deserves."""

import errno
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hydra
from hydra.errors import CompactHydraException, InstantiationException
from omegaconf.errors import InterpolationToMissingValueError, MissingMandatoryValue

from video_adapters.commands.lost_batch import why_no_batch
from video_adapters.commands.wording import printable

# what no bug raises: the last by names that no system takes
OF_THE_PLACE = {
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG,
}  # fmt: skip
PACKAGE, HYDRA = str(Path(__file__).parents[1]), str(Path(hydra.__file__).parent)


class UserError(CompactHydraException):
    """What the user can mend. Hydra prints it without a stack trace, unless HYDRA_FULL_ERROR=1 asks for one."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message, keep="\n\t"))


class SharedError(ValueError):
    """What all processes of a run raise at the same place: none of them needs to be killed for it."""


@contextmanager
def explained() -> Iterator[None]:
    """Turns errors that a config, a file or a command line can cause into a UserError; lets bugs through as they are.

    A ValueError counts when our own code raised it, on purpose and with a message for the user; so does what Lightning
    says of a wrong set-up, a key without a value, a disk that is full or closed to us, and a loading process that died.
    Hydra's wrapping of a constructor's error is taken off.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if (message := _for_user(error)) is None:
            raise
        raise UserError("\n".join([message, *getattr(error, "__notes__", [])])) from error


def _for_user(error: Exception) -> str | None:
    """What to say of it; None of a bug."""
    # here, so that what needs no model (--help, a wrong key) does not wait for torch
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    if isinstance(error, InstantiationException):
        return _unwrapped(error)
    if isinstance(error, MissingMandatoryValue | InterpolationToMissingValueError):
        key = str(error).partition("Missing mandatory value: ")[2].splitlines()[0]  # where a value refers to it, too
        return f"{key} has no default: give {key}=..."
    if isinstance(error, MisconfigurationException):
        return f"trainer: {error}"
    if (lost := why_no_batch(error)) is not None:
        return lost
    if isinstance(error, OSError):
        where = "" if error.filename is None else f": {error.filename}"
        return f"{error.strerror}{where}" if error.errno in OF_THE_PLACE else None
    if isinstance(error, ValueError) and _raised_in(error, PACKAGE):
        return str(error)
    if isinstance(error, TypeError) and _raised_in(error, PACKAGE, HYDRA):  # Hydra calls what a config names
        return f"a key or a value of the config does not fit: {error}"
    return None


def _unwrapped(error: InstantiationException) -> str:
    cause = error.__cause__
    if cause is None:
        return str(error)
    if isinstance(cause, InstantiationException):
        return _unwrapped(cause)
    if isinstance(cause, ValueError) and _raised_in(cause, PACKAGE):
        return str(cause)
    key = str(error).rsplit("full_key: ", 1)[-1]
    return f"config group '{key}' cannot be built: {type(cause).__name__}: {cause}"


def _raised_in(error: BaseException, *folders: str) -> bool:
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and frames[-1].filename.startswith(folders)
