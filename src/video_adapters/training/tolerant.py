"""Loggers whose failures cost a training nothing but their own figures."""

import logging
from collections.abc import Callable
from typing import Any

from lightning.pytorch.loggers.logger import Logger

from video_adapters.training.optional import optional

log = logging.getLogger(__name__)

PATIENCE = 3  # failures in a row after which a logger is told no more: each may have waited for a server


class Tolerant(Logger):  # whose abstract methods are those of the logger behind it
    """Stands before a logger of Lightning's in the bases of a class: what that one cannot take is left out, and the
    run goes on. A full disk, a server that is gone or a locked database are no reasons to lose hours of training.
    """

    title = ""  # of messages
    _failures = 0

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        self._try("the config", super().log_hyperparams, params, *args, **kwargs)  # type: ignore[safe-super]

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        self._try("figures", super().log_metrics, metrics, step)  # type: ignore[safe-super]

    def save(self) -> None:
        self._try("files", super().save)

    def finalize(self, status: str = "success") -> None:
        self._try("the end", super().finalize, status)

    def _try(self, what: str, call: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        if self._failures >= PATIENCE:
            return
        done = False
        with optional(f"{self.title}: {what}"):
            call(*args, **kwargs)
            done = True
        self._failures = 0 if done else self._failures + 1
        if self._failures == PATIENCE:
            log.warning("%s failed %d times in a row and is told no more; metrics.csv has it all", self.title, PATIENCE)
