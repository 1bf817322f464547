"""The word that a run gives, once, when its steps wait for videos to be decoded."""

import logging
import shlex
from typing import Any

from hydra.core.hydra_config import HydraConfig

from video_adapters.commands.wording import counted
from video_adapters.commands.workers import cores
from video_adapters.data.datamodule import VideoData

log = logging.getLogger(__name__)

WATCHED = 60.0  # seconds of training that are looked at, those of starting up left out
BEARABLE = 0.2  # share of the time; without more than that to wait a run would be no more than a quarter faster


class DataWait:
    """Adds up how long training waited for its videos, and says so with the cures when that is too long."""

    def __init__(self) -> None:
        self._seconds = self._waited = 0.0
        self._started = self._done = False

    def add(self, waited: float, seconds: float, data: VideoData) -> None:
        """Takes `seconds` of training into account, `waited` of them for videos; the first stretch is start-up."""
        if not self._started or self._done:
            self._started = True
            return
        self._seconds, self._waited = self._seconds + seconds, self._waited + waited
        if self._seconds < WATCHED:
            return
        self._done = True
        if self._waited > BEARABLE * self._seconds:
            log.warning("%s", advice(self._waited / self._seconds, self._seconds, data))


def advice(share: float, seconds: float, data: VideoData) -> str:
    """What to do about a share of the time that goes into waiting for videos."""
    here = cores(None)
    hydra: Any = HydraConfig.get() if HydraConfig.initialized() else None
    name = hydra.runtime.choices.data if hydra else "NAME"
    given = [word for word in hydra.overrides.task if word.startswith(("data.", "experiment="))] if hydra else []
    words = ["python", "src/prepare.py", "transcode", "--data", name, "--root", data.root]
    words += [word for word in given if not word.startswith("data.root=")]
    processes = f"raise data.num_workers ({data.num_workers} now; {counted(here, 'core')} here), or "
    return (
        f"training waits for videos: {share:.0%} of the last {seconds:.0f} s (speed/data_wait goes on saying it). What "
        f"helps: {processes if data.num_workers < here else ''}train on a copy that decodes faster, made by "
        f"{shlex.join(words)} --to FOLDER (with --sample-only it says first what that brings)"
    )
