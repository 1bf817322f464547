"""Predictions for people: tables on the terminal."""

from collections.abc import Sequence
from typing import NamedTuple

from rich.table import Table
from rich.text import Text

from video_adapters.commands.terminal import console
from video_adapters.commands.wording import printable
from video_adapters.recognition.find_videos import Unread
from video_adapters.recognition.prediction import Prediction
from video_adapters.recognition.timeline import Timeline


class Recognized(NamedTuple):
    """A video with what was recognised in it."""

    path: str
    result: Prediction | Timeline
    annotated: str = ""  # path of its annotated copy
    not_annotated: str = ""  # why there is none, though one was asked for


Outcome = Recognized | Unread


def show(outcome: Outcome, top: int) -> None:
    """Prints a table of the `top` likeliest classes, or of the windows with their class and what they come down to."""
    out = console()
    if isinstance(outcome, Unread):
        out.print(Text(f"{printable(outcome.path)}: not read: {printable(outcome.reason)}", style="red"))
        return
    title = Text(printable(outcome.path), style="bold")
    for remark in outcome.result.remarks:
        title.append(f"\n{printable(remark)}", style="yellow")
    result = outcome.result
    if isinstance(result, Prediction):
        classes = [(name, f"{probability:.1%}") for name, probability in result.top(top)]
        if result.thresholds:
            title.append(f"\nnamed: {printable(', '.join(name for name, _ in result.named()) or 'none')}")
        out.print(_table(title, ("class", "probability"), classes))
    else:
        windows = [(w.start, w.end, *result.top(i, 1)[0]) for i, w in enumerate(result.windows)]
        runs = [(run.start, run.end, run.class_name, run.probability) for run in result.runs()]
        for heading, stretches in ((title, windows), (Text("in short", style="bold"), runs)):
            rows = [(f"{start:.2f} - {end:.2f}", name, f"{chance:.1%}") for start, end, name, chance in stretches]
            out.print(_table(heading, ("seconds", "class", "probability"), rows))
    if outcome.annotated:
        out.print(Text(f"annotated copy: {printable(outcome.annotated)}"))
    if outcome.not_annotated:
        out.print(Text(f"no annotated copy: {printable(outcome.not_annotated)}", style="red"))


def line(outcome: Outcome) -> str:
    """A video and what it shows, or its windows show from when to when, on one line."""
    if isinstance(outcome, Unread):
        return f"{printable(outcome.path)}: not read: {printable(outcome.reason)}"
    if isinstance(outcome.result, Prediction):
        shown = [f"{name} {chance:.1%}" for name, chance in outcome.result.named()] or ["none of the classes"]
    else:
        shown = [
            f"{run.start:.2f} - {run.end:.2f} s {run.class_name} {run.probability:.1%}" for run in outcome.result.runs()
        ]
    return f"{printable(outcome.path)}: {', '.join(map(printable, shown))}"


def _table(title: Text, columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in columns:
        table.add_column(name, justify="left" if name == "class" else "right")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table
