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


class Place(NamedTuple):
    """Where a run has adapters."""

    rung: str | None  # of LADDER; None: other sites than a rung's
    blocks: str  # of PLACEMENTS, or a list of blocks; sites apart where they differ


def compared(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The runs that tell about sites and those that tell about placement, with a column `place`: either or both.

    Raises:
        Unanswerable: there are neither.
    """
    parts = {"Sites": rungs(runs), "Placement": placements(runs)}
    known = {title: part for title, part in parts.items() if part is not None}
    if not known:
        raise Unanswerable(
            f"The runs ({len(runs)}) have adapters at the same sites of the same blocks, or belong to different tasks; "
            "`python src/train.py -m hparams_search=sites` and `hparams_search=placement` vary them. "
            f"{select(runs).left_out}".rstrip()
        )
    return known


def place_of(run: pd.Series) -> Place | None:
    """Where a run of AIM on a frozen encoder has its adapters; None for any other method."""
    if not str(run.get("config.adapter._target_")).endswith(".Aim") or run.get("config.adapter.frozen") is False:
        return None
    places = dict(zip(_SITES, ("none" if pd.isna(run[key]) else str(run[key]) for key in _KEYS), strict=True))
    used = [site for site in _SITES if places[site] != "none"]
    steps: list[list[str]] = [[], ["spatial"], ["spatial", "temporal"], [*_SITES]]
    rung = LADDER[steps.index(used)] if used in steps else None
    blocks = {places[site] for site in used}
    apart = ", ".join(f"{site}: {_NAMES.get(places[site], places[site])}" for site in used if places[site] != "all")
    return Place(rung, blocks.pop() if len(blocks) == 1 else apart or "none")


def rungs(runs: pd.DataFrame) -> pd.DataFrame | None:
    """Runs of the ladder, `place` their rung, each rung's of one configuration; None with fewer than two rungs."""
    found = _task(runs)
    steps = found[found["rung"].notna() & found["blocks"].isin(["all", "none"])]
    return _comparable(steps.assign(place=steps["rung"]))


def placements(runs: pd.DataFrame) -> pd.DataFrame | None:
    """Runs with adapters at all sites, `place` their blocks, each of one configuration; None with fewer than two."""
    found = _task(runs)
    everywhere = found[found["blocks"].ne("none") & found[list(_KEYS)].notna().all(axis=1)]
    return _comparable(everywhere.assign(place=everywhere["blocks"]))


def by(runs: pd.DataFrame) -> pd.DataFrame:
    """Means and spreads over seeds, a row per rung or placement, in their order."""
    columns = [score_of(runs), "test/pair", "trainable_parameters"]
    table = mean_and_spread(runs, runs["place"], columns).dropna(axis=1, how="all")
    order = [*LADDER, *PLACEMENTS]
    table = table.loc[sorted(table.index, key=lambda name: (order.index(name) if name in order else 99, name))]
    return table.rename(index=_NAMES)


def other_differences(runs: pd.DataFrame) -> str:
    """A sentence on what else the runs differ in, beside sites and seeds; empty where nothing."""
    texts = settings(runs, without=_PLACING)
    differ = {key.removeprefix("config."): sorted(texts[key].unique()) for key in texts if texts[key].nunique() > 1}
    listed = "; ".join(f"{key} is {' or '.join(values)}" for key, values in differ.items())
    return f"Not one recipe throughout: {listed}." if differ else ""


def _task(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs of AIM on a frozen encoder, with `rung` and `blocks`, of the one task that most of `select`'s runs have."""
    kept = select(runs).runs
    complete = kept.reindex(columns=[*dict.fromkeys([*kept, *_KEYS])])  # other methods know no such keys
    places = [place_of(run) for _, run in complete.iterrows()]
    known = complete.assign(
        rung=[place.rung if place else None for place in places],
        blocks=[place.blocks if place else None for place in places],
    )
    known = known[known["blocks"].notna()]
    keys = [column.removeprefix("config.") for column in known]
    task = alike(known, without=[key for key in keys if key.split(".")[0] not in _TASK])
    return known[task == task.mode()[0]] if len(known) else known


def _comparable(runs: pd.DataFrame) -> pd.DataFrame | None:
    """Of every place the runs of one configuration, all near to one recipe; with most seeds, then steps.

    That recipe is the one from which the fewest settings differ over all places.
    """
    if runs["place"].nunique() < 2:
        return None
    group = alike(runs)
    first = runs.loc[~group.duplicated()].assign(seeds=group.value_counts().sort_index().to_numpy())
    texts = settings(first, without=_PLACING)
    apart = pd.DataFrame([[int((texts.loc[i] != texts.loc[j]).sum()) for j in texts.index] for i in texts.index])
    apart = apart.set_axis(texts.index, axis=0).set_axis(texts.index, axis=1)
    nearest = apart.T.groupby(first["place"]).min().sum()  # of each configuration, over all places
    order = first.assign(far=nearest, n=-first["seeds"], s=-first["steps"]).sort_values(["far", "n", "s"])
    chosen = order.assign(far=apart[order.index[0]]).sort_values(["far", "n", "s"]).groupby("place").head(1).index
    return runs[group.isin(group[chosen])]
