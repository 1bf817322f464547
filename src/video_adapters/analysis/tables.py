"""Tables of means and spreads as people read them: units in the titles, `96.7 ± 0.4` in the cells."""

from typing import Any, NamedTuple

import pandas as pd


class Column(NamedTuple):
    """How a column of figures is shown."""

    title: str  # with its unit
    factor: float  # that the figures are multiplied by
    decimals: int


COLUMNS = {
    "test/top1": Column("top-1, test (%)", 100, 1),
    "best_val_top1": Column("top-1, validation (%)", 100, 1),
    "test/pair": Column("right pair, either direction (%)", 100, 1),
    "trainable_parameters": Column("parameters that train (M)", 1e-6, 3),
    "macs": Column("GMACs a view", 1e-9, 3),
    "minutes": Column("minutes a run", 1, 1),
    "clips_per_s": Column("training clips per second", 1, 0),
    "s_per_1000": Column("training seconds per 1000 clips", 1, 1),
}


def presentable(means: pd.DataFrame) -> pd.DataFrame:
    """`mean_and_spread`'s table as text, without columns that say nothing."""
    table = means[["runs"]].copy()
    for name, column in COLUMNS.items():
        if name in means and means[name].notna().any():
            spreads = means.get(f"± {name}", pd.Series(index=means.index, dtype=float))
            table[column.title] = [_cell(*pair, column) for pair in zip(means[name], spreads, strict=True)]
    return table


def percentages(table: pd.DataFrame) -> pd.DataFrame:
    """A table with its fractions as percent, which its title has to say."""
    numbers = table.select_dtypes("floating").columns
    return table.assign(**{name: [f"{100 * value:.1f}" for value in table[name]] for name in numbers})


def _cell(mean: Any, spread: Any, column: Column) -> str:
    """Without a spread where there is none, as of one run or of a count."""
    if pd.isna(mean):
        return "–"
    text = f"{mean * column.factor:.{column.decimals}f}"
    return text if pd.isna(spread) or spread == 0 else f"{text} ± {spread * column.factor:.{column.decimals}f}"
