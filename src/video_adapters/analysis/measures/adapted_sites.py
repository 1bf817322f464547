"""Adapted sites and blocks of runs, and which of these runs can be compared."""

from typing import NamedTuple

import pandas as pd

from video_adapters.analysis.finding import Unanswerable
from video_adapters.analysis.runs.configurations import alike, mean_and_spread, score_of, select, settings

LADDER = ("frozen", "+ spatial", "+ temporal", "+ joint")
"""Rungs of Yang et al. 2023, table 1; each keeps the ones below it."""

PLACEMENTS = ("none", "first_half", "even", "last_half", "all")
_NAMES = {"none": "none", "first_half": "lower half", "even": "every second", "last_half": "upper half", "all": "all"}
_SITES = ("spatial", "temporal", "joint")
_KEYS = tuple(f"config.adapter.{site}" for site in _SITES)
_PLACING = (*(f"adapter.{site}" for site in _SITES), "adapter.temporal_in", "placement")
"""Keys that say where adapters are; `placement` is that of hparams_search/placement."""

_TASK = ("data", "model")  # parts of a config in which runs must agree to be on one ladder


class Adapted(NamedTuple):
    """Where a run has adapters."""

    rung: str | None  # of LADDER; None: other sites than a rung's
    blocks: str  # of PLACEMENTS, or a list of blocks; sites apart where they differ


def compared(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Runs that tell about sites, of the rungs of the ladder, and about placement, with adapters at all sites: either
    or both, the runs of each rung or placement, their `variant`, of one configuration.

    Raises:
        Unanswerable: there are neither.
    """
    adapted = _of_one_task(runs)
    whole = adapted["rung"].notna() & adapted["blocks"].isin(["all", "none"])
    everywhere = adapted["blocks"].ne("none") & adapted[list(_KEYS)].notna().all(axis=1)
    parts = {
        # the column first: to a selection of no rows pandas would add all of them
        "Sites": _comparable(adapted.assign(variant=adapted["rung"])[whole]),
        "Placement": _comparable(adapted.assign(variant=adapted["blocks"])[everywhere]),
    }
    several = {title: part for title, part in parts.items() if part is not None}
    if not several:
        raise Unanswerable(
            f"The runs ({len(runs)}) have adapters at the same sites of the same blocks, or belong to different tasks; "
            "`python src/train.py -m hparams_search=sites` and `hparams_search=placement` vary them. "
            f"{select(runs).left_out}".rstrip()
        )
    return several


def adapted_by(run: pd.Series) -> Adapted | None:
    """Where a run of AIM on a frozen encoder has its adapters; None for any other method."""
    if not str(run.get("config.adapter._target_")).endswith(".Aim") or run.get("config.adapter.frozen") is False:
        return None
    blocks = {site: str(run[key]) for site, key in zip(_SITES, _KEYS, strict=True) if pd.notna(run[key])}
    blocks = {site: value for site, value in blocks.items() if value != "none"}
    steps: list[list[str]] = [[], ["spatial"], ["spatial", "temporal"], [*_SITES]]
    rung = LADDER[steps.index([*blocks])] if [*blocks] in steps else None
    if len(set(blocks.values())) == 1:
        return Adapted(rung, next(iter(blocks.values())))
    apart = ", ".join(f"{site}: {_NAMES.get(value, value)}" for site, value in blocks.items() if value != "all")
    return Adapted(rung, apart or "none")


def by(runs: pd.DataFrame) -> pd.DataFrame:
    """Means and spreads over seeds, a row per variant: rung or placement, in their order."""
    columns = [score_of(runs), "test/pair", "trainable_parameters"]
    table = mean_and_spread(runs, runs["variant"], columns).dropna(axis=1, how="all")
    order = [*LADDER, *PLACEMENTS]
    table = table.loc[sorted(table.index, key=lambda name: (order.index(name) if name in order else 99, name))]
    return table.rename(index=_NAMES)


def other_differences(runs: pd.DataFrame) -> str:
    """A sentence on what else the runs differ in, beside sites and seeds; empty where nothing."""
    texts = settings(runs, without=_PLACING)
    differ = {key.removeprefix("config."): sorted(texts[key].unique()) for key in texts if texts[key].nunique() > 1}
    listed = "; ".join(f"{key} is {' or '.join(values)}" for key, values in differ.items())
    return f"Not one recipe throughout: {listed}." if differ else ""


def _of_one_task(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs of AIM on a frozen encoder, with `rung` and `blocks`, of the one task that most of `select`'s runs have."""
    kept = select(runs).runs
    complete = kept.reindex(columns=[*dict.fromkeys([*kept, *_KEYS])])  # other methods know no such keys
    rows = [adapted_by(run) for _, run in complete.iterrows()]
    adapted = pd.Series(rows, index=complete.index, dtype=object).dropna()
    aim = complete.loc[adapted.index].assign(rung=[a.rung for a in adapted], blocks=[a.blocks for a in adapted])
    keys = [column.removeprefix("config.") for column in aim]
    task = alike(aim, without=[key for key in keys if key.split(".")[0] not in _TASK])
    return aim[task == task.mode()[0]] if len(aim) else aim


def _comparable(runs: pd.DataFrame) -> pd.DataFrame | None:
    """Of every variant the runs of one configuration, all near to one recipe; with most seeds, then steps.

    That recipe is the one from which the fewest settings differ over all variants. None with fewer than two variants.
    """
    if runs["variant"].nunique() < 2:
        return None
    group = alike(runs)
    first = runs.loc[~group.duplicated()].assign(seeds=group.value_counts().sort_index().to_numpy())
    texts = settings(first, without=_PLACING)
    apart = pd.DataFrame([[int((texts.loc[i] != texts.loc[j]).sum()) for j in texts.index] for i in texts.index])
    apart = apart.set_axis(texts.index, axis=0).set_axis(texts.index, axis=1)
    nearest = apart.T.groupby(first["variant"]).min().sum()  # of each configuration, over all variants
    order = first.assign(far=nearest, n=-first["seeds"], s=-first["steps"]).sort_values(["far", "n", "s"])
    chosen = order.assign(far=apart[order.index[0]]).sort_values(["far", "n", "s"]).groupby("variant").head(1).index
    return runs[group.isin(group[chosen])]
