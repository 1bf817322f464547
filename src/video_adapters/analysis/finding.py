"""A question of the notebooks and the report with its answer."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:  # runs can be read without the extra that draws
    from matplotlib.figure import Figure


class Unanswerable(ValueError):
    """The runs at hand cannot answer a question, as any `answer` may find; the message says what is missing and how to
    get it."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows of it (IPython asks): nothing but the message, for no code has failed."""
        return [str(self)]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A question with its answer in words, and the figures and tables that it rests on."""

    question: str
    text: str
    figures: "dict[str, Figure]" = field(default_factory=dict)  # by caption
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)  # by caption
    panels: dict[str, str] = field(default_factory=dict)  # by caption: HTML, which a page alone shows
