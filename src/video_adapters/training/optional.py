"""Measurements and pictures that a run can do without."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)


@contextmanager
def optional(name: str) -> Iterator[None]:
    """Lets a run go on where something fails that it can do without, and says so in a line."""
    try:
        yield
    except Exception as error:  # whatever it is, hours of training are not lost for it
        reason = next(iter(str(error).splitlines()), "")
        log.warning("%s left out, the run goes on: %s: %s", name, type(error).__name__, reason)
