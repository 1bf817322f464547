"""Each data set, as distributed, trains and evaluates by one command."""

from pathlib import Path

import pytest

from helpers.miniatures import MINIATURES
from helpers.toy import SMALL, run, score

FRAMES = ["data.image_size=32", "data.num_frames=4", "batch.per_step=2", "batch.per_device=2"]
EXPERIMENTS = {"diving48": "aim_diving48", "k400": "aim_k400", "k700": "aim_k700"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in ("k400", "ucf101") else pytest.mark.slow) for name in MINIATURES]
)
def test_a_miniature_trains_a_step_and_evaluates(name: str, tmp_path: Path) -> None:
    write, chosen = MINIATURES[name]
    root = write(tmp_path / name)
    if name in EXPERIMENTS:
        chosen = [f"experiment={EXPERIMENTS[name]}", *chosen[1:]]
    scores = run(tmp_path / "run", *chosen, f"data.root={root}", *SMALL, *FRAMES)
    again = score(tmp_path / "eval", f"checkpoint={tmp_path / 'run' / 'checkpoints' / 'best.ckpt'}")
    assert scores["val_as_test/videos"] == again["val_as_test/videos"] > 0
    assert scores["val_as_test/unreadable"] == 0
    assert again["val_as_test/loss"] == pytest.approx(scores["val_as_test/loss"], rel=1e-6)
