"""Table of a ladder's rungs: on the terminal, as ladder.csv and as ladder.md."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.table import Table
from rich.text import Text

from video_adapters.commands.atomic import write_text
from video_adapters.commands.intervals import between, wilson
from video_adapters.commands.terminal import console
from video_adapters.commands.wording import printable
from video_adapters.training.accuracy import PARTS
from video_adapters.training.ladder.rungs import BEST, Rung
from video_adapters.training.record import read_record

COLUMNS = ("rung", "validation top-1 (95 %)", "test top-1 (95 %)", "minutes", "memory", "checkpoint")


@dataclass(frozen=True, kw_only=True)
class Row:
    """A rung, and how it did or why it is not there."""

    rung: Rung
    missing: str = ""  # why there is no run
    scores: dict[str, float] = field(default_factory=dict)  # as its run.json has them
    minutes: float = 0.0  # of all its processes
    memory: float = 0.0  # GiB at the peak: reserved on the GPU or, without one, resident
    checkpoint: float = 0.0  # MB

    @property
    def tested_as(self) -> str:
        """What the test's figures are called: test, or what part its videos had before."""
        return next((name.split("/")[0] for name in self.scores if name.endswith("test/top1")), "test")

    @property
    def val(self) -> float:
        return self.scores.get("val/top1", 0.0)

    @property
    def interval(self) -> tuple[float, float]:
        """Ends of the validation's 95 % interval."""
        return wilson(self.val, round(self.scores.get("val/videos", 0)) or 1)

    def accuracy(self, use: str) -> str:
        """In percent, with its interval."""
        top1 = self.scores.get(f"{use}/top1")
        return "-" if top1 is None else between(top1, self.scores.get(f"{use}/videos", 0))

    def cells(self) -> list[str]:
        if self.missing:
            return [f"{self.rung.name}: {self.missing}", *["-"] * (len(COLUMNS) - 1)]
        return [
            f"{self.rung.name}: {self.rung.described}",
            self.accuracy("val"),
            self.accuracy(self.tested_as),
            f"{self.minutes:.1f}",
            f"{self.memory:.1f} GiB",
            f"{self.checkpoint:.2f} MB",
        ]

    def as_dict(self) -> dict[str, object]:
        """A line of ladder.csv; accuracies are fractions."""
        scores = {
            f"{name}_{figure}": self.scores.get(f"{key}/{figure}", "")
            for name, key in (("val", "val"), ("test", self.tested_as))
            for figure in ("top1", "videos")
        }
        costs = {
            "minutes": round(self.minutes, 2),
            "memory_gib": self.memory,
            "checkpoint_mb": round(self.checkpoint, 3),
        }
        return {"rung": self.rung.name, **scores, "tested_as": self.tested_as, **costs, "missing": self.missing}


def read_row(rung: Rung, folder: Path, seconds: float) -> Row | None:
    """The row of a run that has finished; None of another."""
    if not (folder / "run.json").is_file() or "finished" not in (record := read_record(folder)):
        return None
    best = folder / BEST
    return Row(
        rung=rung,
        scores=record["scores"],
        minutes=seconds / 60,
        memory=record.get("peak_memory_gib", 0.0),
        checkpoint=best.stat().st_size / 1e6 if best.is_file() else 0.0,
    )


def show(rows: Sequence[Row], folder: Path) -> None:
    """Prints the table, and writes it into the ladder's folder."""
    table = Table(title="ladder", title_justify="left", title_style="bold")
    for number, name in enumerate(COLUMNS):
        table.add_column(name, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row.cells()))
    console().print(table)
    if note := _on_the_test(rows):
        print(note)
    write_text(folder / "ladder.csv", _as_csv(rows))
    write_text(folder / "ladder.md", _as_markdown(rows))


def _on_the_test(rows: Sequence[Row]) -> str:
    part = next((row.tested_as for row in rows if row.tested_as in PARTS), None)
    return f"The test is of the videos that {PARTS[part]}: expect less of others." if part else ""


def _as_csv(rows: Sequence[Row]) -> str:
    lines = [row.as_dict() for row in rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, [*lines[0]], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _as_markdown(rows: Sequence[Row]) -> str:
    cells = [[cell.replace("|", "\\|") for cell in row.cells()] for row in rows]
    lines = [COLUMNS, ["---", *["--:"] * (len(COLUMNS) - 1)], *cells]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + "".join(
        f"\n{note}\n" for note in [_on_the_test(rows)] if note
    )
