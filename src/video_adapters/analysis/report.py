"""All questions, answered of a folder of runs."""

import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from video_adapters.analysis.finding import Finding, Unanswerable
from video_adapters.analysis.measures.frame_order import score_orders
from video_adapters.analysis.page import drawn, left_out, page
from video_adapters.analysis.questions import ablation, ratio
from video_adapters.analysis.questions import attended as attention_figures
from video_adapters.analysis.questions import mistakes as errors
from video_adapters.analysis.questions import sites as sites_figures
from video_adapters.analysis.questions import time as time_figures
from video_adapters.analysis.questions.curves import plot_curves, plot_throughput
from video_adapters.analysis.runs.folder import read_runs
from video_adapters.analysis.runs.trained import Trained, best_run, load_data, load_run
from video_adapters.analysis.tables import overview
from video_adapters.commands.atomic import write_text
from video_adapters.commands.plural import counted

log = logging.getLogger(__name__)

QUESTION = "Which runs are there, and how did they learn?"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be reported, and how far it may look."""

    runs: Path  # a folder with runs at any depth
    run: Path | None = None  # the run that is looked into; None: the best
    data_root: Path | None = None  # folder where its videos lie now; None: where it found them
    max_videos: int | None = None  # test videos that are scored again; None: all


class Missing(NamedTuple):
    """What a page lacks."""

    warnings: list[str]  # such as that of runs which cannot be read
    left_out: dict[str, str]  # questions with the reason: what the runs lack, or the error that came of them


def write(request: Request, path: Path, announce: Callable[[str], None] = print) -> Missing:
    """Writes the page, saying which question it is at.

    Raises:
        ValueError: there is no readable run, an impossible number, or no folder where the videos are said to lie.
    """
    if request.max_videos is not None and request.max_videos < 1:
        raise ValueError(f"--videos is {request.max_videos}, expected at least 1")
    if request.data_root is not None and not request.data_root.is_dir():
        raise ValueError(f"--data is {request.data_root}, which is no folder")
    with warnings.catch_warnings(record=True) as caught:  # commands send warnings to where nobody sees them
        warnings.simplefilter("always")
        runs = read_runs(request.runs)
    missing = Missing([str(warning.message) for warning in caught], {})
    found: dict[str, str] = {}
    for question, part in _parts(runs, request):
        announce(question)
        try:
            found[question] = drawn(part())
        except Exception as error:  # one question must not take the others with it
            missing.left_out[question] = _reason(question, error)
            found[question] = left_out(missing.left_out[question])
    title = f"{counted(len(runs), 'run')} in {request.runs}"
    write_text(path, page(title, found, missing.warnings))
    return missing


def _reason(question: str, error: Exception) -> str:
    """Why a question is left out; of what nobody foresaw the traceback is logged."""
    if isinstance(error, Unanswerable):
        return str(error)
    log.error("%s", question, exc_info=error)
    return f"{type(error).__name__}: {error}"


class _LookedInto:
    """The run whose network and videos are asked; loaded when first needed."""

    def __init__(self, runs: pd.DataFrame, request: Request) -> None:
        self._runs, self._request = runs, request

    @cached_property
    def run(self) -> str:
        return str(self._request.run) if self._request.run else best_run(self._runs)

    @cached_property
    def trained(self) -> Trained:
        return load_run(self.run, self._request.data_root, self._request.max_videos)

    def errors(self) -> Finding:
        """With film strips where the videos are found, else without."""
        try:
            data = load_data(self.run, self._request.data_root)
        except Unanswerable:
            data = None
        return errors.answer(self.run, data)


def _parts(runs: pd.DataFrame, request: Request) -> Iterator[tuple[str, Callable[[], Finding]]]:
    one = _LookedInto(runs, request)
    yield QUESTION, lambda: _learned(runs)
    yield ablation.QUESTION, lambda: ablation.answer(runs)
    yield ratio.QUESTION, lambda: ratio.answer(runs)
    yield sites_figures.QUESTION, lambda: sites_figures.answer(runs)
    yield time_figures.QUESTION, lambda: _of(one, time_figures.answer(score_orders(one.trained)))
    yield attention_figures.QUESTION, lambda: _of(one, attention_figures.answer(one.trained))
    yield errors.QUESTION, lambda: _of(one, one.errors())


def _learned(runs: pd.DataFrame) -> Finding:
    logged = runs["steps"] > 0
    if not logged.any():
        raise Unanswerable(f"None of {counted(len(runs), 'run')} has logged a step yet.")
    text = (
        f"{counted(len(runs), 'run')}, {int(runs['finished'].sum())} finished. In parentheses behind an accuracy: the "
        "95 % interval that its number of videos leaves."
    )
    figures = {"Learning curves": plot_curves(runs)}
    if runs["clips_per_s"].notna().any():
        figures["Speed of training"] = plot_throughput(runs)
    return Finding(question=QUESTION, text=text, figures=figures, tables={"The best first": overview(runs)})


def _of(one: _LookedInto, answer: Finding) -> Finding:
    """An answer that says which run it is of."""
    return Finding(
        question=answer.question,
        text=f"{answer.text} (Of the run {one.run}.)",
        figures=answer.figures,
        tables=answer.tables,
    )
