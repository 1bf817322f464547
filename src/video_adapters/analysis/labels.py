"""Short names for runs: what sets each apart from the others."""

from pathlib import Path
from typing import Any

import pandas as pd

# where things lie on this machine, and what always equals another key (data.image_size)
UNINTERESTING = ("data.root", "data.num_workers", "trainer.default_root_dir", "model.encoder.img_size")
_MOST_KEYS = 4  # more make a legend illegible


def labels(runs: pd.DataFrame) -> list[str]:
    """A label per run of `read_runs`: its experiment where there are several, and the keys in which its like differ.

    Beyond four keys the rest is an ellipsis, those typed on a command line coming first. Runs that would share a label
    also bear the name of their folder.
    """
    keys = _differing(runs)
    shown = keys[:_MOST_KEYS]
    named = runs["name"].nunique() > 1 or not shown
    found = [" ".join([run["name"]] * named + _settings(run, shown)) for _, run in runs.iterrows()]
    if len(keys) > len(shown):
        found = [f"{label} …" for label in found]
    folders = [Path(path).name for path in runs["path"]]
    return [
        f"{label} ({place})" if found.count(label) > 1 else label for label, place in zip(found, folders, strict=True)
    ]


def _differing(runs: pd.DataFrame) -> list[str]:
    """Config keys that differ between runs of one name, those typed on a command line first."""
    texts = runs.filter(regex=r"^config\.").map(_short).rename(columns=lambda column: column.removeprefix("config."))
    variants = texts.groupby(runs["name"]).nunique().max()
    keys = [key for key in texts if variants[key] > 1 and key not in UNINTERESTING]
    typed = " ".join(runs["overrides"])
    return sorted(keys, key=lambda key: f"{key}=" not in typed)


def _settings(run: pd.Series, keys: list[str]) -> list[str]:
    """`ratio=0.25` for adapter.ratio; the whole key where two would read the same, the class in place of its path."""
    short = [key.removesuffix("._target_").split(".")[-1] for key in keys]
    shown = [key if short.count(name) > 1 else name for key, name in zip(keys, short, strict=True)]
    return [f"{name}={_short(run[f'config.{key}'])}" for key, name in zip(keys, shown, strict=True)]


def _short(value: Any) -> str:
    """A config value as it would be typed; of the path of a class, the class."""
    if pd.isna(value):
        return "null"
    if isinstance(value, str) and value.startswith("video_adapters."):
        return value.split(".")[-1]
    return f"{value:g}" if isinstance(value, float) else str(value)
