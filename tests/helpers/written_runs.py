"""Folders of runs, written by hand."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from omegaconf import OmegaConf

from video_adapters.data.shapes.moving_shapes import CLASS_NAMES

METRICS = """step,epoch,speed/clips_per_s,speed/data_wait,speed/peak_memory_gib,train/loss,val/top1,test/top1
0,0,10.0,0.5,1.0,2.0,,
1,0,30.0,0.1,2.0,1.5,,
1,0,,,,,0.25,
2,1,20.0,0.1,1.5,1.0,,
3,1,20.0,0.3,1.5,0.5,,
3,1,,,,,0.75,
5,2,20.0,0.3,1.5,0.5,,
5,2,,,,,0.75,
6,3,,,,,,0.7
"""


def write_run(
    folder: Path,
    metrics: str | None = METRICS,
    name: str = "shapes",
    finished: str | None = None,
    record: dict[str, object] | None = None,
    **changes: object,
) -> Path:
    """A run's folder; `changes` are of the config's keys, a double underscore for each dot."""
    config = {
        "name": name,
        "data.num_classes": 4,
        "data.num_frames": 8,
        "data.root": str(folder),
        "model.weights": None,
        "adapter._target_": "video_adapters.model.adapters.aim.Aim",
        "adapter.temporal": "all",
        "adapter.ratio": 0.25,
        "callbacks.last.path": str(folder / "last.ckpt"),
        "trainer.max_epochs": 3,
        "test": True,
        "seed": 0,
    }
    tree = OmegaConf.create()
    for key, value in (config | {key.replace("__", "."): value for key, value in changes.items()}).items():
        OmegaConf.update(tree, key, value)
    folder.mkdir(parents=True)
    OmegaConf.save(tree, folder / "config.yaml")
    started = {"started": f"2026-01-{len(list(folder.parent.iterdir())):02}T12:00:00+00:00", "git_commit": "1b01ff7+"}
    ended = {} if finished is None else {"finished": finished}
    own = started | {"overrides": ["seed=0", "adapter.ratio=0.25"]} | ended | (record or {})
    (folder / "run.json").write_text(json.dumps(own))
    if metrics is not None:
        (folder / "metrics.csv").write_text(metrics)
    return folder


def write_scored(folder: Path, top1: float, trainable: int = 1000, **changes: object) -> Path:
    """A run whose test came to `top1`."""
    metrics = METRICS.replace(",0.7\n", f",{top1}\n")
    return write_run(folder, metrics=metrics, record={"trainable_parameters": trainable}, **changes)


def write_confusion(
    run: Path, counts: np.ndarray, unread: Sequence[int] | None = None, names: Sequence[str] = CLASS_NAMES
) -> None:
    """The test's counts in a run's folder: (C, C), and (C,) videos that were not read."""
    labels = [f"{i} {name}" for i, name in enumerate(names)]
    table = pd.DataFrame(counts, index=pd.Index(labels, name="shown \\ said"), columns=labels)
    table["(unread)"] = [0] * len(names) if unread is None else unread
    (run / "test").mkdir()
    table.to_csv(run / "test" / "confusion.csv")
