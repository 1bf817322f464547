"""Short names for runs: what sets each apart from the others."""

from pathlib import Path
from typing import Any

import pandas as pd

# where things lie on this machine, and what always equals another key (data.image_size)
UNINTERESTING = ("data.root", "data.num_workers", "features.root", "trainer.default_root_dir", "model.encoder.img_size")
_MOST_KEYS = 4  # more make a legend illegible


_CHOSEN = ("choices.data", "choices.model", "choices.adapter")  # config groups that stand for many keys at once


def labels(runs: pd.DataFrame) -> list[str]:
    """A label per run of `read_runs`: its experiment where there are several, and in what it differs from its like.

    That is a choice of data, model or adapter where one was made, and else keys. Beyond four keys the rest is an
    ellipsis, those typed on a command line coming first. Runs that would share a label also bear the name of their
    folder.
    """
    several = runs["name"].nunique() > 1
    names = pd.Series("", index=runs.index, dtype=object)
    for name, like in runs.groupby("name", sort=False):
        chosen = [c for c in _CHOSEN if c in like and like[c].nunique(dropna=False) > 1]
        for _, same in like.groupby(chosen, sort=False, dropna=False) if chosen else [("", like)]:
            keys = _differing(same)
            for index, run in same.iterrows():
                parts = [f"{column.removeprefix('choices.')}={run[column]}" for column in chosen]
                parts += [*_settings(run, keys[:_MOST_KEYS]), *["…"] * (len(keys) > _MOST_KEYS)]
                names[index] = " ".join([str(name)] * (several or not parts) + parts)
    counts = names.value_counts()
    folders = [Path(path).name for path in runs["path"]]
    return [f"{label} ({folder})" if counts[label] > 1 else label for label, folder in zip(names, folders, strict=True)]


def _differing(runs: pd.DataFrame) -> list[str]:
    """Config keys that differ between runs, those typed on a command line first."""
    texts = runs.filter(regex=r"^config\.").map(_short).rename(columns=lambda column: column.removeprefix("config."))
    keys = [key for key in texts if texts[key].nunique() > 1 and key not in UNINTERESTING]
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
