"""A probe becomes an ordinary run, which everything takes that takes runs."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from video_adapters.analysis import report
from video_adapters.recognition import Recognizer, export
from video_adapters.training import probing_run
from video_adapters.trust import checkpoint_file

from helpers.toy import run, score

CUT = [
    "experiment=moving_shapes_probe",
    "features.layers=[2,3]",
    "probe.epochs=2",
    "probe.trained.map={rates: [0.01], decays: [0.01]}",
    "batch.per_device=8",
]


HEADS = ("mean", "in_order", "map", "attentive")


@pytest.fixture(scope="module")
def probed(shapes: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a probe's run on few videos, of an encoder that ends before its last block."""
    folder = tmp_path_factory.mktemp("probed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probing_run, "choices", lambda: {f"head@probe.heads.{name}": name for name in HEADS})
        run(folder, *shapes, *CUT, "model=shapes_vit", "test=true")
    return folder


@pytest.mark.slow
def test_a_probe_leaves_an_ordinary_run_that_is_tested_once(probed: Path) -> None:
    config = yaml.safe_load((probed / "config.yaml").read_text())
    assert "probe" not in config
    assert config["model"]["depth"] in (2, 3)
    rows = pd.read_csv(probed / "probes.csv")
    assert rows["chosen"].sum() == 1
    assert (rows["head"] == "neighbours").sum() == len(rows.groupby(["layer", "kind", "reads"]))
    chosen = rows[rows["chosen"]].iloc[0]
    assert chosen["held_out"] == rows[rows["head"] != "neighbours"]["held_out"].max()
    assert (chosen["layer"], chosen["reads"] == "mean") == (
        config["model"]["depth"],
        "mean" in config["head"]["_target_"],
    )
    named = chosen["head"] if chosen["head"] in HEADS else chosen["reads"]
    assert json.loads((probed / "run.json").read_text())["choices"]["head"] == named
    metrics = pd.read_csv(probed / "metrics.csv")
    assert metrics["val/top1"].dropna().tolist() == pytest.approx([chosen["held_out"]], abs=1e-4)
    assert metrics["test/top1"].notna().sum() == 1


@pytest.mark.slow
def test_evaluation_recognition_export_and_report_take_it(probed: Path, tmp_path: Path) -> None:
    best = probed / "checkpoints" / "best.ckpt"
    expected = np.load(probed / "test" / "probabilities.npy")
    score(tmp_path, f"checkpoint={best}")
    np.testing.assert_allclose(np.load(tmp_path / "probabilities.npy"), expected, atol=1e-5)
    recognizer = Recognizer.from_checkpoint(best, device="cpu")
    video = pd.read_csv(probed / "test" / "predictions.csv")["video"][0]
    np.testing.assert_allclose(recognizer(video).probabilities, expected[0], atol=1e-5)
    request = export.Request(checkpoint=best, format="torch_export", out=tmp_path / "probe.pt2")
    assert export.export(request)
    missing = report.write(report.Request(runs=probed), tmp_path / "report.html", lambda question: None)
    assert missing.warnings == []


@pytest.mark.slow
def test_training_goes_on_from_the_solution(probed: Path) -> None:
    state = checkpoint_file.read(probed / "checkpoints" / "last.ckpt")
    assert state["global_step"] == 0
    scores = run(probed, f"resume={probed}")
    assert scores["test/videos"] == 24
    assert checkpoint_file.read(probed / "checkpoints" / "last.ckpt")["global_step"] > 0


def test_a_probe_of_what_trains_is_refused(shapes: list[str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a probe is of a frozen encoder, but .* would train: give adapter=frozen"):
        run(tmp_path, *shapes, *CUT, "adapter=aim_shapes")
    assert not list(tmp_path.iterdir())
