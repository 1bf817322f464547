"""Ladder from a frozen encoder to adapters: one run after the other, within so many minutes."""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from hydra.utils import get_class, instantiate
from omegaconf import DictConfig

from video_adapters.commands.atomic import write_text
from video_adapters.commands.config import compose_config
from video_adapters.commands.grammar import key_of
from video_adapters.commands.lock import LOCK, alone
from video_adapters.commands.run_folders import job_folder
from video_adapters.commands.wording import counted
from video_adapters.data.datamodule import VideoData
from video_adapters.data.from_config import build_data, with_classes_counted
from video_adapters.training.ladder.fitting import FEWEST, Fit, Workload, measured_speed
from video_adapters.training.ladder.ladder_table import Row, read_row, show
from video_adapters.training.ladder.next_step import next_step
from video_adapters.training.ladder.rungs import (
    ADAPTERS,
    BEST,
    BEST_PROBE,
    LONGER,
    MEAN,
    NAMES,
    RUNGS,
    TRIAL,
    Recipe,
    Rung,
    from_probe,
    recipe_of,
)
from video_adapters.training.ladder.train_process import in_words, train
from video_adapters.trust.checkpoint_file import LAST, PREVIOUS, has_state

FIRST_SHARE = 1 / 3
"""Of the minutes that the frozen rungs leave, for the first adapters. The rest trains them twice as long again, so that
the two rungs show whether time still brings something."""
PROBES_SHARE = 1 / 10
"""Of all minutes, for heads of probes that are trained; the closed form takes seconds."""
TRIAL_SHARE = 1 / 10
"""Of the same minutes, most that the trial takes which measures how fast adapters train, though it may take one."""
UNNAMED = ("logger", "data.num_workers")  # change nothing that a ladder's rungs come to


class LeftOut(Exception):
    """Why a rung is not climbed."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a command line asks for."""

    recipe: Recipe
    minutes: float
    folder: Path
    given: tuple[str, ...]  # the command line


def request_of(words: Sequence[str]) -> Request:
    """Reads a command line: minutes=N, folder=PATH, and KEY=VALUE of src/train.py.

    Raises:
        ValueError: for a word that is none of these, and minutes that are no number above 0.
    """
    if odd := [word for word in words if not word.startswith("~") and ("=" not in word or word.startswith("-"))]:
        raise ValueError(f"'{odd[0]}' cannot be read: expected minutes=N, folder=PATH or KEY=VALUE of src/train.py")
    own = {key_of(word): word.partition("=")[2] for word in words if key_of(word) in ("minutes", "folder")}
    try:
        minutes = float(own.get("minutes", 30))
    except ValueError:
        minutes = 0.0
    if not 0 < minutes < float("inf"):
        raise ValueError(f"minutes={own['minutes']}, expected a number above 0")
    rest = [word for word in words if key_of(word) not in own]
    ladders = Path(os.environ.get("LOG_DIR", "logs")) / "ladders"
    folder = own.get("folder") or ladders / job_folder(rest, (), UNNAMED, str(ladders))
    return Request(recipe=recipe_of(rest), minutes=minutes, folder=Path(folder).expanduser(), given=tuple(words))


def climb(words: Sequence[str]) -> None:
    """Climbs the ladder that a command line asks for, or goes on with it, and says what to do next.

    Raises:
        ValueError: for words that ask for none, for a folder that holds another ladder, and for a rung that failed.
    """
    request = request_of(words)
    with alone(request.folder / LOCK, f"another process climbs the ladder in {request.folder}"):
        Ladder(request).climb()


class Ladder:
    """A ladder in its folder: a run for each rung, and ladder.json with the time that each has taken.

    Raises:
        ValueError: the folder holds a ladder of another recipe.
    """

    def __init__(self, request: Request) -> None:
        self.request, self.recipe, self.folder = request, request.recipe, request.folder
        self._file = self.folder / "ladder.json"
        given = [f"experiment={self.recipe.experiment}", *self.recipe.words]
        words = sorted(word for word in given if key_of(word) not in UNNAMED)
        self._state: dict[str, list[str] | dict[str, float]] = {"words": words}
        self._seconds: dict[str, float] = {}
        if self._file.is_file() and any(self.folder.glob("*/run.json")):  # else nothing has begun
            before = json.loads(self._file.read_text(encoding="utf-8"))
            if before["words"] != words:
                raise ValueError(
                    f"{self.folder} holds the ladder of {' '.join(before['words'])}: give the same words, or another "
                    "folder=PATH"
                )
            self._seconds = before["seconds"]

    def climb(self) -> None:
        if (figure := self._config.best_by.one) != "top1":
            raise ValueError(f"the ladder compares its rungs by top-1: leave best_by.one={figure} out")
        self._data.expect_one_label("the ladder")
        print(f"ladder in {self.folder}: the same command goes on with it", flush=True)
        rows: list[Row] = []
        for rung in RUNGS:
            rows.append(self._climbed(rung))
            show(rows, self.folder)
        labels = np.bincount(self._data.videos("val").labels)
        print(next_step(rows, labels.max() / labels.sum(), self.folder))

    def _climbed(self, rung: Rung) -> Row:
        """The row of a rung, which is climbed if it has not been."""
        try:
            if self._row(rung) is None:
                self._train(rung, self._path(rung), self._words(rung))
        except LeftOut as reason:
            return Row(rung=rung, missing=str(reason))
        row = self._row(rung)
        assert row is not None
        return row

    def _row(self, rung: Rung) -> Row | None:
        return read_row(rung, self._path(rung), self._seconds.get(rung.name, 0.0))

    def _path(self, rung: Rung) -> Path:
        return self.folder / rung.name

    @property
    def _left(self) -> float:
        """Seconds of the request's minutes."""
        return self.request.minutes * 60 - sum(self._seconds.values())

    def _words(self, rung: Rung) -> list[str]:
        """The command of a rung that has not finished.

        Raises:
            LeftOut: it is not for this encoder, or not within the minutes.
        """
        folder = self._path(rung)
        if not rung.frozen and has_state(folder):
            return [f"resume={folder}"]
        if self._left <= 0:
            raise LeftOut(f"not started: the {self.request.minutes:g} minutes are spent; a larger minutes= goes on")
        if rung == NAMES:
            self._expect_text_tower()
        probes = [f"probe.minutes={PROBES_SHARE * self.request.minutes:g}"] if rung in (MEAN, BEST_PROBE) else []
        features = [f"features.minutes={self._left / 60:.3g}"]  # should they take longer, they are refused at once
        more = [*probes, *features] if rung.frozen else self._training(rung)
        _forget_state(folder)
        return self.recipe.command(rung, *more, f"hydra.run.dir={folder}")

    def _expect_text_tower(self) -> None:
        from video_adapters.model.encoders.text_tower import expect_text_tower  # here: open_clip takes seconds

        try:
            expect_text_tower(instantiate(self._config.model.encoder, _convert_="all"))
        except ValueError as error:
            raise LeftOut(f"left out: {error}") from error

    def _training(self, rung: Rung) -> list[str]:
        """Words of adapters' command: what they begin from, and how long they train."""
        method: Any = get_class(self._config.adapter["_target_"])
        if rung == ADAPTERS and method.beside:
            raise LeftOut(
                "left out: this adapter has features of its own, and no head of a probe reads them; train it by "
                "src/train.py experiment=own_videos"
            )
        if rung == LONGER and self._row(ADAPTERS) is None:
            raise LeftOut("not started: there are no adapters yet that could be trained on")
        words = from_probe(self._path(BEST_PROBE), self._path(ADAPTERS if rung == LONGER else BEST_PROBE) / BEST)
        work = Workload.of(self._config, self._data)
        speed = measured_speed(self._path(ADAPTERS)) if rung == LONGER else self._trial(words)
        if speed is None:
            raise LeftOut("not started: their trial logged no optimizer step, so slow are they here")
        return [*words, *self._fit(rung, work, speed).words]

    def _fit(self, rung: Rung, work: Workload, speed: float) -> Fit:
        """How long to train: the first adapters a share of what is left or, where that is too little, all of it."""
        enough = min(FEWEST, work.steps)
        for share in (FIRST_SHARE, 1.0) if rung == ADAPTERS else (1.0,):
            fit = work.fitting(share * self._left, speed)
            if fit.steps >= enough:
                return fit
        need = (work.seconds_for(enough, speed) + sum(self._seconds.values())) / 60
        raise LeftOut(
            f"not started: {counted(fit.steps, 'step')} would fit, and fewer than {enough} say nothing; "
            f"minutes={need:.0f} goes on"
        )

    def _trial(self, words: Sequence[str]) -> float | None:
        """Clips a second that adapters train on here."""
        folder = self.folder / "trial"
        if (speed := measured_speed(folder)) is None:
            _forget_state(folder)
            limit = f"+trainer.max_time={{seconds:{round(max(60, TRIAL_SHARE * self._left))}}}"
            self._train(
                ADAPTERS, folder, self.recipe.command(ADAPTERS, *words, *TRIAL, limit, f"hydra.run.dir={folder}")
            )
            speed = measured_speed(folder)
        return speed

    def _train(self, rung: Rung, folder: Path, words: Sequence[str]) -> None:
        """Runs a command for a rung, and notes its time.

        Raises:
            SystemExit: a signal came.
            ValueError: it failed.
            LeftOut: it failed, and others need not: names want weights and a vocabulary that no other rung wants.
        """
        title = "a trial of adapters, for their speed" if folder != self._path(rung) else rung.described
        spent = sum(self._seconds.values()) / 60
        print(f"\n{rung.name}: {title} ({spent:.1f} of {self.request.minutes:g} minutes are spent)", flush=True)
        start = time.monotonic()
        try:
            end = train(words)
        finally:
            self._seconds[rung.name] = self._seconds.get(rung.name, 0.0) + time.monotonic() - start
            write_text(self._file, json.dumps(self._state | {"seconds": self._seconds}, indent=2) + "\n")
        if end.signal is not None:
            print(f"go on with the ladder: {in_words('ladder', self.request.given)}", flush=True)
            raise SystemExit(128 + end.signal)
        if end.status and rung == NAMES:
            raise LeftOut(f"left out: its run failed, as is said above ({folder})")
        if end.status:
            raise ValueError(f"{rung.name} failed, as is said above (status {end.status}); the same command goes on")

    @cached_property
    def _config(self) -> DictConfig:
        """That of adapters, whose encoder and data all rungs share."""
        return compose_config("train", [*self.recipe.command(ADAPTERS), "name=ladder", "run_dir=."])

    @cached_property
    def _data(self) -> VideoData:
        return build_data(with_classes_counted(self._config))


def _forget_state(folder: Path) -> None:
    """Lets a run that takes seconds, or has nothing to go on with, begin again in the folder of an interrupted one."""
    for name in (LAST, PREVIOUS):
        (folder / "checkpoints" / name).unlink(missing_ok=True)
