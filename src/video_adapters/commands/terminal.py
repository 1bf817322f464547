"""Tables and progress on the terminal, and whether somebody watches."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from video_adapters.commands.wording import printable

QUIET_SECONDS = 60  # longest silence of a run whose output goes to a file


def interactive() -> bool:
    """Whether somebody watches: a progress bar makes no sense in a file."""
    return sys.stdout.isatty()


def console() -> Console:
    """For tables: as wide as the terminal, or 160 characters in a file."""
    return Console(width=None if interactive() else 160, soft_wrap=True)


def summary(title: str, rows: dict[str, str]) -> None:
    """Prints a two-column table."""
    table = Table(title=Text(printable(title), style="bold"), show_header=False, title_justify="left")
    for name, value in rows.items():
        table.add_row(name, Text(printable(value, keep="\n")))  # names of files may look like markup
    console().print(table)


@contextmanager
def advancing(title: str, total: int, done: int = 0, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """Shows how far work is and when it will be done: a bar or, where nobody watches, a line a minute.

    Args:
        title: of the work.
        total: how much there is of it.
        done: how much was done before.
        shown: whether it is this process that shows it.

    Yields: a function that takes how much is done by now.
    """
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left:"),
        TimeRemainingColumn(),
    )  # fmt: skip
    start = said = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), disable=not (shown and interactive())) as progress:
        task = progress.add_task(title, total=total, completed=done)

        def show(by_now: int) -> None:
            nonlocal said
            progress.update(task, completed=by_now)
            if shown and not interactive() and (now := time.monotonic()) - said > QUIET_SECONDS and by_now > done:
                said, left = now, (now - start) / (by_now - done) * (total - by_now)
                print(f"{title} {by_now}/{total}, {left / 60:.0f} min left", flush=True)

        yield show
