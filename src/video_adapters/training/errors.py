"""From an exception to the one message that its cause deserves."""

import errno
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hydra.errors import CompactHydraException, InstantiationException
from omegaconf.errors import MissingMandatoryValue

from video_adapters.shown import printable

OF_THE_PLACE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}  # no bug raises these
PACKAGE = str(Path(__file__).parents[1])


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
    says of a wrong set-up, a key without a value, and a disk that is full or closed to us. Hydra's wrapping of a
    constructor's error is taken off.
    """
    # here, so that what needs no model (--help, a wrong key) does not wait for torch
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    try:
        yield
    except UserError:
        raise
    except InstantiationException as error:
        raise UserError(_unwrapped(error)) from error
    except MissingMandatoryValue as error:
        raise UserError(f"{error.full_key} has no default: give {error.full_key}=...") from None
    except MisconfigurationException as error:
        raise UserError(f"trainer: {error}") from error
    except (ValueError, TypeError, OSError) as error:
        if (message := _for_user(error)) is None:
            raise
        raise UserError(message) from error


def _for_user(error: ValueError | TypeError | OSError) -> str | None:
    """What to say of it; None of a bug."""
    if isinstance(error, OSError):
        place = "" if error.filename is None else f": {error.filename}"
        return f"{error.strerror}{place}" if error.errno in OF_THE_PLACE else None
    if not _is_ours(error):
        return None
    return f"a value in the config has the wrong type: {error}" if isinstance(error, TypeError) else str(error)


def _unwrapped(error: InstantiationException) -> str:
    cause = error.__cause__
    if cause is None:
        return str(error)
    if isinstance(cause, InstantiationException):
        return _unwrapped(cause)
    if isinstance(cause, ValueError) and _is_ours(cause):
        return str(cause)
    key = str(error).rsplit("full_key: ", 1)[-1]
    return f"config group '{key}' cannot be built: {type(cause).__name__}: {cause}"


def _is_ours(error: BaseException) -> bool:
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and frames[-1].filename.startswith(PACKAGE)
