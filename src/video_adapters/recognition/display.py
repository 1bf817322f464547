"""The terminal during a prediction: how far it is, how fast, and what came out of how many videos."""

import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from video_adapters.commands.terminal import QUIET_SECONDS, interactive, summary
from video_adapters.commands.wording import counted, in_time, printable
from video_adapters.recognition import results
from video_adapters.recognition.find_videos import Unread
from video_adapters.recognition.prediction import Prediction
from video_adapters.recognition.results import Outcome

FEW = 20  # videos whose tables are read on a terminal; of more, those who do not ask for tables get a line each
MOST_NAMED = 20  # of the videos that could not be read, and of the classes, at the end


class Display:
    """Tables of few videos, else a line each, or none where files are written; and the way through many.

    Args:
        total: videos.
        tables: whether each gets one.
        lines: whether each gets a line, where not.
        top: classes in a table.

    Attributes:
        done, unread, uncopied: videos so far, those that were not read, and those without the copy asked for.
    """

    def __init__(self, total: int, *, tables: bool, lines: bool, top: int) -> None:
        self.total, self._tables, self._lines, self._top = total, tables, lines, top
        self.done = self.unread = self.uncopied = 0
        self._named: list[Unread] = []
        self._classes = Counter[str]()
        self._start = self._told = time.monotonic()
        self._done_then = 0
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
        self._progress = Progress(
            *columns, console=console, redirect_stdout=interactive(), disable=not console.is_terminal
        )
        self._task = self._progress.add_task("videos", total=total)

    def __enter__(self) -> "Display":
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def add(self, outcome: Outcome) -> None:
        """A video that is done."""
        self.done += 1
        if isinstance(outcome, Unread):
            self.unread += 1
            if self.unread <= MOST_NAMED:
                self._named.append(outcome)
        else:
            self.uncopied += bool(outcome.not_annotated)
            if isinstance(outcome.result, Prediction):
                self._classes.update(name for name, _ in outcome.result.named())
        if self._tables:
            results.show(outcome, self._top)
        elif self._lines:
            print(results.line(outcome))
        self._progress.update(self._task, completed=self.done)
        self._tell()

    def tracked(self, title: str, steps: Iterable[Any], total: int) -> Iterator[Any]:
        """Steps with a bar of their own, which goes when they are done."""
        task = self._progress.add_task(title, total=total)
        try:
            for step in steps:
                yield step
                self._progress.advance(task)
        finally:
            self._progress.remove_task(task)

    def sum_up(self, table: Path | None) -> None:
        """What came out of all; the unreadable ones may have scrolled by. `table` is a file that names all of them."""
        if not (self._tables or self._lines):
            taken = time.monotonic() - self._start
            rows = {name: counted(count, "video") for name, count in self._classes.most_common(MOST_NAMED)}
            if more := len(self._classes) - len(rows):
                rows[f"and {counted(more, 'class')} more"] = ""
            summary(f"{counted(self.total, 'video')} in {in_time(taken)}", rows)
        if self.unread:
            print(f"{self.unread} of {self.total} could not be read:", file=sys.stderr)
            for path, reason in self._named:
                print(f"  {printable(path)}: {printable(reason)}", file=sys.stderr)
            if more := self.unread - len(self._named):
                where = f", which {table} names" if table else ""
                print(f"  and {more} more{where}", file=sys.stderr)

    def _tell(self) -> None:
        """Where nobody watches, a line a minute."""
        taken = (now := time.monotonic()) - self._told
        if self._progress.disable and taken > QUIET_SECONDS:
            rate = (self.done - self._done_then) / taken
            left = (self.total - self.done) / rate
            print(f"videos {self.done}/{self.total}, {rate:.3g}/s, {in_time(left)} left", file=sys.stderr, flush=True)
            self._told, self._done_then = now, self.done


class _Rate(ProgressColumn):
    """How many of them a second, over the last half minute."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.3g}/s" if task.speed else "")
