"""Every experiment composes, builds and runs a step; a new one is tested by being there."""

from pathlib import Path

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from video_adapters.training.build import build_classifier

from toy import CONFIGS, SMALL, composed, run

EXPERIMENTS = sorted(path.stem for path in (CONFIGS / "experiment").glob("*.yaml"))
ADAPTERS = sorted(path.stem for path in (CONFIGS / "adapter").glob("*.yaml"))
MODELS = sorted(path.stem for path in (CONFIGS / "model").glob("*.yaml"))
DEBUGS = sorted(path.stem for path in (CONFIGS / "debug").glob("*.yaml"))


def on(shapes_list: Path) -> list[str]:
    """Overrides that give any experiment the small videos and a toy encoder, and keep the rest of its recipe."""
    return [
        *SMALL,
        f"data.root={shapes_list}",
        "data.annotations={_target_:video_adapters.data.annotations.VideoList,_partial_:true}",
        "++data.annotations.train=train.txt",
        "++data.annotations.val=val.txt",
        "data.image_size=32",
        "data.val_views.resize=32",
        "data.test_views.resize=32",
        "data.max_videos=4",
        "data.test_split=val",
        "batch.per_step=4",
        "batch.per_device=2",
        "data.train_split=train",
        "data.val_split=val",
        "trainer.max_steps=1",
    ]


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_runs_a_step_and_its_test(experiment: str, shapes_list: Path, tmp_path: Path) -> None:
    overrides = [o for o in on(shapes_list) if not (experiment == "moving_shapes" and "annotations" in o)]
    if experiment == "moving_shapes":
        overrides += ["+data.annotations.num_train=36", "+data.annotations.num_val=24", "+data.annotations.num_test=24"]
    scores = run(tmp_path, f"experiment={experiment}", *overrides)
    assert scores["test/videos"] == 4
    assert 0 <= scores["test/top1"] <= scores["test/top5"] <= 1
    assert (tmp_path / "checkpoints" / "last.ckpt").is_file()


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_says_how_to_run_it_and_derives_its_batch(experiment: str) -> None:
    text = (CONFIGS / "experiment" / f"{experiment}.yaml").read_text()
    command = "python src/train.py" + ("" if experiment == "moving_shapes" else f" experiment={experiment}")
    assert f"# {command}" in text
    comments = " ".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("#"))
    cfg = composed(f"experiment={experiment}")
    if "64 clips a step" in comments:
        assert cfg.batch.per_step == 64
    assert f"x {cfg.batch.per_device} clip" in comments


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_every_adapter_config_builds(adapter: str) -> None:
    classifier = build_classifier(composed("model=toy_vit", f"adapter={adapter}"))
    names = classifier.trainable()
    assert {"head.linear.weight", "backbone.encoder.net.norm.weight"} <= names.keys()
    if adapter in ("none", "spatial"):
        assert "backbone.temporal_embedding" not in names


@pytest.mark.parametrize("model", MODELS)
def test_every_model_config_says_where_its_weights_are(model: str) -> None:
    cfg = composed(f"model={model}")
    assert cfg.model.allow_random == (cfg.model.weights is None)
    instantiate(cfg.model.encoder)  # a partial: nothing is built, but the target must exist


@pytest.mark.parametrize("debug", DEBUGS)
def test_every_debug_config_composes(debug: str) -> None:
    cfg = composed(f"debug={debug}")
    assert cfg.logger.wandb is None
    assert OmegaConf.to_container(cfg.trainer)


@pytest.mark.parametrize("data", ["list", "folders"])
def test_own_videos_ask_for_what_only_their_owner_knows(data: str) -> None:
    cfg = composed(f"data={data}")
    assert OmegaConf.is_missing(cfg.data, "root")
    assert OmegaConf.is_missing(cfg.data, "num_classes")
