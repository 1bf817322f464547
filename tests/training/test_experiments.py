"""Every experiment composes, builds and runs a step; a new one is tested by being there."""

import math
import re
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from video_adapters.commands.config import config_names
from video_adapters.model.build import build_classifier

from helpers.toy import CONFIGS, SHAPES, SMALL, composed, run

EXPERIMENTS = config_names("experiment")
ADAPTERS = config_names("adapter")
MODELS = config_names("model")
DEBUGS = config_names("debug")
PARTS = ("adapter", "head")


def raw(group: str, name: str) -> Any:
    """A config file with those of its group that it begins with, and "override /GROUP": what it chooses of others."""
    tree: Any = OmegaConf.load(CONFIGS / group / f"{name}.yaml")
    whole: Any = OmegaConf.create()
    for default in tree.pop("defaults", []):
        whole = OmegaConf.merge(whole, default if OmegaConf.is_dict(default) else raw(group, default))
    return OmegaConf.merge(whole, tree)


def recipes() -> list[Any]:
    """The experiments; slow are those whose adapter and head, apart from numbers, are those of others before them.

    The files are read one by one, since composing them would keep every process of the tests waiting.
    """
    known: set[str] = set()
    marked = []
    for name in EXPERIMENTS:
        tree = raw("experiment", name)
        parts = [
            OmegaConf.merge(raw(group, tree.get(f"override /{group}", "mean")), tree.get(group, {})) for group in PARTS
        ]
        kinds = [{k: v for k, v in OmegaConf.to_container(part).items() if isinstance(v, str | bool)} for part in parts]
        family = f"{'swin' in tree['override /model']} {OmegaConf.select(tree, 'data.tubelet')}"
        own = {f"{family} {group} {kind}" for group, kind in zip(PARTS, kinds, strict=True)}
        marked.append(pytest.param(name, marks=pytest.mark.slow if own <= known else []))
        known |= own
    return marked


def on(shapes_list: Path) -> list[str]:
    """Overrides that give any experiment the small videos and a toy encoder, and keep the rest of its recipe."""
    return [
        *SMALL,
        f"data.root={shapes_list}",
        "data.annotations={_target_:video_adapters.data.annotations.VideoList,_partial_:true}",
        "++data.annotations.train=train.txt",
        "++data.annotations.val=val.txt",
        "data.image_size=32",
        "data.max_videos=4",
        "data.test_split=val",
        "batch.per_step=4",
        "batch.per_device=2",
        "data.train_split=train",
        "data.val_split=val",
        "trainer.max_steps=1",
        "batch.steps_per_epoch=1",  # and then a validation
    ]


@pytest.mark.parametrize("experiment", recipes())
def test_every_experiment_runs_a_step_and_its_test(experiment: str, shapes_list: Path, tmp_path: Path) -> None:
    cfg = composed(f"experiment={experiment}")
    overrides = on(shapes_list)
    if cfg.model.encoder.model_name.startswith("swin"):
        overrides = ["model=toy_swin" if o == "model=toy_vit" else o for o in overrides]
    if "MovingShapes" in cfg.data.annotations._target_:  # it renders its own
        overrides = [o for o in overrides if "annotations" not in o] + SHAPES
    if cfg.data.train_transform.get("flip_pairs"):  # by names, which these classes have not
        overrides = [*overrides, "data.train_transform.flip_pairs=[]"]
    scores = run(tmp_path, f"experiment={experiment}", *overrides)
    assert scores["val_as_test/videos"] == 4
    if cfg.data.labels == "multi":
        assert 0 <= scores["val_as_test/mAP"] <= 1
    else:
        assert 0 <= scores["val_as_test/top1"] <= scores["val_as_test/top5"] <= 1
    assert (tmp_path / "checkpoints" / "last.ckpt").is_file()


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_says_how_to_run_it_and_derives_its_batch(experiment: str) -> None:
    text = (CONFIGS / "experiment" / f"{experiment}.yaml").read_text()
    command = "python src/train.py" + ("" if experiment == "moving_shapes_crowded" else f" experiment={experiment}")
    assert f"# {command}" in text
    comments = " ".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("#"))
    cfg = composed(f"experiment={experiment}")
    assert {int(clips) for clips in re.findall(r"(\d+) clips a step", comments)} == {cfg.batch.per_step}
    assert f"x {cfg.batch.per_device} clip" in comments
    for videos, clips, steps in re.findall(r"([\d ]+) videos / (\d+) = (\d+) steps an epoch", comments):
        assert int(clips) == cfg.batch.per_step
        assert int(steps) == math.ceil(int(videos.replace(" ", "")) / cfg.batch.per_step)
    for steps, epochs, total in re.findall(r"(\d+) steps an epoch, (\d+) epochs = (\d+) steps", comments):
        assert cfg.trainer.max_epochs == int(epochs)
        assert int(total) == int(steps) * int(epochs)


def test_own_videos_derive_their_steps_and_how_often_each_video_is_seen() -> None:
    text = (CONFIGS / "experiment" / "own_videos.yaml").read_text()
    comments = " ".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("#"))
    cfg = composed("experiment=own_videos", "data.root=/x")
    per_epoch, steps = cfg.batch.steps_per_epoch, cfg.batch.steps_per_epoch * cfg.trainer.max_epochs
    assert f"{per_epoch} steps an epoch, {cfg.trainer.max_epochs} epochs = {steps} steps" in comments
    assert f"each of 1000 videos is seen {steps * cfg.batch.per_step // 1000} times" in comments
    assert f"{round(cfg.schedule.warmup_epochs * per_epoch)} steps of warm-up" in comments
    assert f"{cfg.callbacks.early_stopping.patience * per_epoch} steps brought no better one" in comments


@pytest.mark.slow
@pytest.mark.parametrize("adapter", ["zeroi2v"])
def test_own_videos_take_another_method_too(adapter: str, shapes_list: Path, tmp_path: Path) -> None:
    scores = run(tmp_path, "experiment=own_videos", f"adapter={adapter}", *on(shapes_list))
    assert scores["val_as_test/videos"] == 4


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_every_adapter_config_builds(adapter: str) -> None:
    model = "toy_swin" if "swin" in adapter else "toy_vit"
    names = build_classifier(composed(f"model={model}", f"adapter={adapter}")).trainable()
    assert "head.linear.weight" in names
    leaves_norm = adapter in ("aim_swin", "frozen") or adapter.startswith("side4video")
    assert ("backbone.encoder.net.norm.weight" in names) != leaves_norm
    if adapter in ("frozen", "none", "spatial"):
        assert "backbone.temporal_embedding" not in names


@pytest.mark.parametrize("model", MODELS)
def test_every_model_config_says_where_its_weights_are(model: str) -> None:
    named = {"timm": "vit_tiny_patch16_224.augreg_in21k", "open_clip": "ViT-B-16"}  # those that take any name
    cfg = composed(f"model={model}", *([f"model.name={named[model]}"] if model in named else []))
    assert cfg.model.allow_random == (cfg.model.weights is None and model != "open_clip")
    instantiate(cfg.model.encoder)  # a partial: nothing is built, but the target must exist


@pytest.mark.parametrize("debug", DEBUGS)
def test_every_debug_config_composes(debug: str) -> None:
    cfg, usual = composed(f"debug={debug}", "adapter=none"), composed("adapter=none")
    assert cfg.logger.wandb is None
    assert OmegaConf.to_container(cfg.trainer)
    assert (cfg.adapter, cfg.head) == (usual.adapter, usual.head)  # whose keys are not those of others


@pytest.mark.parametrize("data", ["list", "folders"])
def test_own_videos_ask_for_what_only_their_owner_knows(data: str) -> None:
    cfg = composed(f"data={data}")
    assert OmegaConf.is_missing(cfg.data, "root")
    assert cfg.data.num_classes is None  # it is counted
