"""All questions, answered of a folder of runs."""

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from video_adapters.analysis.finding import Finding, Unanswerable
from video_adapters.analysis.measures.frame_order import score_orders
from video_adapters.analysis.page import STYLE, drawn, left_out
from video_adapters.analysis.questions import ablation, attended, mistakes, ratio, sites, time
from video_adapters.analysis.questions.curves import plot_curves, plot_throughput
from video_adapters.analysis.runs.folder import read_runs, validation_scores
from video_adapters.analysis.runs.labels import labels
from video_adapters.analysis.runs.trained import Trained, best_run, load_data, load_run
from video_adapters.analysis.tables import overview
from video_adapters.commands.atomic import write_text
from video_adapters.commands.html_page import page
from video_adapters.commands.intervals import between
from video_adapters.commands.wording import counted

log = logging.getLogger(__name__)

QUESTION = "Which runs are there, and how did they learn?"


@dataclass(frozen=True, kw_only=True)
class Request:
    """A report as its user asks for it."""

    runs: Path  # a folder with runs at any depth
    run: Path | None = None  # the run that is looked into; None: the best
    data_root: Path | None = None  # folder where its videos lie now; None: where it found them
    max_videos: int | None = None  # test videos that are scored again; None: all


class Missing(NamedTuple):
    """Gaps of a page."""

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
    sections: dict[str, str] = {}
    for question, answer in _questions(runs, request, path.absolute().parent).items():
        announce(question)
        try:
            sections[question] = drawn(answer())
        except Exception as error:  # one question must not take the others with it
            missing.left_out[question] = _reason(question, error)
            sections[question] = left_out(missing.left_out[question])
    title = f"{counted(len(runs), 'run')} in {request.runs}"
    write_text(path, page(title, sections, missing.warnings, STYLE))
    return missing


def _reason(question: str, error: Exception) -> str:
    """Why a question is left out; of what nobody foresaw the traceback is logged."""
    if isinstance(error, Unanswerable):
        return str(error)
    log.error("%s", question, exc_info=error)
    return f"{type(error).__name__}: {error}"


class _Inspected:
    """The run whose network and videos are looked into; loaded when first needed."""

    def __init__(self, runs: pd.DataFrame, request: Request, folder: Path) -> None:
        self._runs, self._request, self._folder = runs, request, folder

    @cached_property
    def run(self) -> str:
        return str(self._request.run) if self._request.run else best_run(self._runs)

    @cached_property
    def trained(self) -> Trained:
        return load_run(self.run, self._request.data_root, self._request.max_videos)

    def time(self) -> Finding:
        return self._named(time.answer(score_orders(self.trained)))

    def attended(self) -> Finding:
        return self._named(attended.answer(self.trained))

    def mistakes(self) -> Finding:
        """With film strips where the videos are at hand, else without."""
        try:
            data = load_data(self.run, self._request.data_root)
        except Unanswerable:
            data = None
        return self._named(mistakes.answer(self.run, data, self._folder))

    def _named(self, answer: Finding) -> Finding:
        return replace(answer, text=f"{answer.text} (Of the run {self.run}.)")


def _questions(runs: pd.DataFrame, request: Request, folder: Path) -> dict[str, Callable[[], Finding]]:
    """The questions in their order; `folder` is where the page will lie."""
    one = _Inspected(runs, request, folder)
    return {
        QUESTION: lambda: _learned(runs),
        ablation.QUESTION: lambda: ablation.answer(runs),
        ratio.QUESTION: lambda: ratio.answer(runs),
        sites.QUESTION: lambda: sites.answer(runs),
        time.QUESTION: one.time,
        attended.QUESTION: one.attended,
        mistakes.QUESTION: one.mistakes,
    }


def _learned(runs: pd.DataFrame) -> Finding:
    logged = runs["steps"] > 0
    if not logged.any():
        raise Unanswerable(f"None of {counted(len(runs), 'run')} has logged a step yet.")
    text = (
        f"{counted(len(runs), 'run')}, {int(runs['finished'].sum())} finished. In parentheses behind an accuracy: the "
        "95 % interval that its number of videos leaves."
    )
    figures = {f"{_best_by_validation(runs)} Logged steps are faint, their running means strong.": plot_curves(runs)}
    if runs["clips_per_s"].notna().any():
        fastest = runs["clips_per_s"].argmax()
        speed, wait = runs["clips_per_s"].iloc[fastest], runs["data_wait"].iloc[fastest]
        caption = f"{labels(runs)[fastest]} trains fastest, {speed:.3g} clips a second ({wait:.0%} waiting for data)."
        figures[caption] = plot_throughput(runs)
    return Finding(question=QUESTION, text=text, figures=figures, tables={"The best first": overview(runs)})


def _best_by_validation(runs: pd.DataFrame) -> str:
    """A sentence on the best run, with the interval that its number of videos leaves."""
    scores = validation_scores(runs)
    if scores.isna().all():
        return "No run has logged the score of a validation."
    best = scores.argmax()
    run, of_videos = runs.iloc[best], runs["best_val_top1"].notna().iloc[best]
    videos = run.get("val/videos")
    score = between(scores.iloc[best], float(videos) if of_videos and not pd.isna(videos) else 0)
    measure = "top-1" if of_videos else "mAP"
    return f"The best by validation is {labels(runs)[best]}: {measure} {score} in epoch {int(run['best_epoch'])}."
