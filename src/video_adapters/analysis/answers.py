"""What every question of the notebooks and the report comes to."""

from dataclasses import dataclass, field

import pandas as pd
from matplotlib.figure import Figure


class Unanswerable(ValueError):
    """The runs at hand cannot answer a question; the message says what is missing and how to get it."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A question with its answer in words, and the figures and tables that it rests on."""

    question: str
    text: str
    figures: dict[str, Figure] = field(default_factory=dict)  # by caption
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)  # by caption
