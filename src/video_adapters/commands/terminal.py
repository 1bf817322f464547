"""Tables on the terminal, and whether somebody watches."""

import sys

from rich.console import Console
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
