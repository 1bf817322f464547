"""A run from its config to its scores: what it leaves behind, what it refuses, what one override reaches."""

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf

from video_adapters.commands.errors import UserError, explained
from video_adapters.data.dataset import Batch
from video_adapters.data.from_config import build_data
from video_adapters.model.build import build_classifier
from video_adapters.training.module import ActionModule

from helpers.rounding import BLOCK, rounding
from helpers.toy import WITH_SPEED, composed, run, score


@pytest.fixture(scope="module")
def finished(shapes: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    run(folder, *shapes, WITH_SPEED)
    return folder


def load(folder: Path, which: str = "best") -> dict[str, Any]:
    return torch.load(folder / "checkpoints" / f"{which}.ckpt", weights_only=True)


def test_the_best_checkpoint_holds_what_trains_and_where_it_came_from(finished: Path, shapes: list[str]) -> None:
    content = load(finished)
    classifier = build_classifier(composed(*shapes))
    assert content["state_dict"].keys() == {f"classifier.{name}" for name in classifier.trainable()}
    assert "optimizer_states" not in content
    origin = content["origin"]
    assert len(origin["class_names"]) == 12
    assert re.fullmatch("[0-9a-f]{64}", origin["encoder"])  # of the frozen weights
    assert origin["config"]["adapter"]["ratio"] == 0.25
    assert "${" not in json.dumps({k: v for k, v in origin["config"].items() if k != "hydra"})


def test_the_last_checkpoint_adds_what_a_run_needs_to_go_on(finished: Path) -> None:
    content = load(finished, "last")
    assert content["state_dict"].keys() == load(finished)["state_dict"].keys()
    assert content["optimizer_states"]
    assert content["loops"]["fit_loop"]["state_dict"]["combined_loader"] == [
        {"epoch": 0, "batches": 9, "of": 9, "layout": [4, 2, 1, 36, 0]}
    ]
    assert "RandomState" in content["callbacks"]
    sizes = [sum(v.numel() for v in content["state_dict"].values())]
    moments = [v for state in content["optimizer_states"][0]["state"].values() for v in state.values() if v.dim()]
    assert sum(v.numel() for v in moments) == 2 * sizes[0]


def test_a_run_leaves_its_config_record_and_figures(finished: Path) -> None:
    assert OmegaConf.load(finished / "config.yaml").data.num_frames == 8
    record = json.loads((finished / "run.json").read_text())
    assert {"wandb_id", "git_commit", "overrides", "command", "started", "parameters"} <= record.keys()
    figures = pd.read_csv(finished / "metrics.csv")
    for name in (
        "train/loss",
        "train/lr",
        "val/top1",
        "test/top1",
        "test/mean_class",
        "speed/clips_per_s",
        "speed/tflop_per_s",
    ):
        assert figures[name].notna().any(), name
    assert figures["test/top1"].max() <= 1
    assert not [path for path in finished.rglob("*") if "=" in path.name]


def test_a_short_run_has_a_curve_of_its_loss(shapes: list[str], tmp_path: Path) -> None:
    run(tmp_path, *shapes, "trainer.log_every_n_steps=50", "test=false", "data.max_videos=32")
    assert pd.read_csv(tmp_path / "metrics.csv")["train/loss"].notna().sum() == 32 / 8


def test_evaluation_gives_the_scores_that_training_ended_with(finished: Path, tmp_path: Path) -> None:
    figures = pd.read_csv(finished / "metrics.csv")
    scores = score(tmp_path, f"checkpoint={finished / 'checkpoints' / 'best.ckpt'}")
    for name in ("test/top1", "test/top5", "test/mean_class", "test/loss"):
        assert scores[name] == pytest.approx(figures[name].dropna().item(), abs=1e-6)


def test_evaluation_takes_other_keys_and_refuses_unknown_ones(finished: Path, tmp_path: Path) -> None:
    checkpoint = f"checkpoint={finished / 'checkpoints' / 'best.ckpt'}"
    assert score(tmp_path, checkpoint, "+data.max_videos=7")["test/videos"] == 7
    for key, where in (("+foo=3", "the top has data"), ("+views.crops=3", "views has nothing")):
        with pytest.raises(ValueError, match=f"no key of the checkpoint's config.*, where {where}"):
            score(tmp_path, checkpoint, key)
    with pytest.raises(
        ValueError,
        match=r"data.max_video is no key of .* \(did you mean data.max_videos\?\), where data has .*max_videos",
    ):
        score(tmp_path, checkpoint, "+data.max_video=7")


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "there is no checkpoint file at"), (b"<html>", "cannot be read as a checkpoint")],
)
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "some.ckpt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        score(tmp_path, f"checkpoint={path}")
    torch.save({"state_dict": {}}, path)
    with pytest.raises(ValueError, match="no checkpoint of this project"):
        score(tmp_path, f"checkpoint={path}")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed=1", r"belongs to other frozen weights: it was trained on vit_tiny_patch16_224 \(random weights, finger"),
        ("adapter.temporal=[0,1,2]", r"it has backbone.blocks.3.temporal, which the model has not"),
        ("adapter.temporal_in=[1]", r"it lacks backbone.blocks.1.temporal_in$"),
        ("adapter.ratio=0.5", r"backbone.blocks.0.joint.down.bias is \(8,\) in it and \(16,\) here"),
        ("data.num_frames=4", r"was trained on data.num_frames=8, .* built for data.num_frames=4; .* resize_time=true"),
    ],
)
def test_a_checkpoint_of_another_model_is_refused_with_the_difference(
    finished: Path, shapes: list[str], tmp_path: Path, override: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        run(tmp_path, *shapes, override, f"init_from={finished / 'checkpoints' / 'best.ckpt'}")


def test_a_new_run_starts_from_the_adapters_and_the_head_of_another(
    finished: Path, shapes: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        run(tmp_path, *shapes, f"init_from={finished / 'checkpoints' / 'best.ckpt'}", "optim.lr=1e-12")
    assert "starting from the adapters and the head" in caplog.text
    torch.testing.assert_close(load(tmp_path)["state_dict"], load(finished)["state_dict"], atol=1e-8, rtol=0)


@pytest.mark.slow
def test_a_new_run_may_have_more_frames_when_it_says_so(finished: Path, shapes: list[str], tmp_path: Path) -> None:
    start = f"init_from={finished / 'checkpoints' / 'best.ckpt'}"
    run(tmp_path, *shapes, start, "data.num_frames=16", "resize_time=true", "optim.lr=1e-12")
    ours, theirs = load(tmp_path)["state_dict"], load(finished)["state_dict"]
    name = "classifier.backbone.temporal_embedding"
    assert theirs[name].any()
    expected = torch.nn.functional.interpolate(theirs.pop(name).mT, 16, mode="linear").mT
    torch.testing.assert_close(ours.pop(name), expected, atol=1e-8, rtol=1e-6)
    torch.testing.assert_close(ours, theirs, atol=1e-8, rtol=0)


def test_resizing_over_time_without_a_checkpoint_is_refused(shapes: list[str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"resize_time=true .*: say which by init_from=PATH"):
        run(tmp_path, *shapes, "resize_time=true")


def test_a_new_run_with_other_classes_gets_a_new_head_and_is_told(
    finished: Path, shapes: list[str], shapes_list: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = [override for override in shapes if "annotations" not in override and "data.root" not in override]
    pairs = [line.rsplit(" ", 1) for line in (shapes_list / "train.txt").read_text().splitlines()]
    (tmp_path / "train.txt").write_text("".join(f"{path} {int(label) % 5}\n" for path, label in pairs))
    own += ["data=list", f"data.root={tmp_path}", "data.num_classes=5", "data.annotations.val=train.txt"]
    own += ["data.image_size=40", "data.num_workers=0"]
    with caplog.at_level("INFO"):
        run(tmp_path, *own, f"init_from={finished / 'checkpoints' / 'best.ckpt'}", "optim.lr=1e-12")
    assert "its classes (12) are others than here (5): new head" in caplog.text
    ours, theirs = load(tmp_path)["state_dict"], load(finished)["state_dict"]
    assert ours["classifier.head.linear.weight"].shape == (5, 32)
    name = "classifier.backbone.blocks.0.temporal.up.weight"
    torch.testing.assert_close(ours[name], theirs[name], atol=1e-8, rtol=0)


def test_one_override_reaches_all_that_depends_on_it(shapes: list[str]) -> None:
    cfg = composed(*shapes, "data.num_frames=16", "adapter.ratio=0.125", "adapter.temporal=[0,2]")
    classifier, data = build_classifier(cfg), build_data(cfg)
    assert classifier.backbone.temporal_embedding.shape == (1, 16, 32)
    assert next(iter(data.train_dataloader())).clips.shape == (4, 1, 16, 3, 40, 40)
    assert next(iter(data.test_dataloader())).clips.shape == (4, 1, 16, 3, 40, 40)
    blocks = classifier.backbone.blocks
    assert [block.temporal is not None for block in blocks] == [True, False, True, False]
    assert blocks[0].spatial.down.out_features == 4  # 32 * 0.125
    assert classifier(next(iter(data.val_dataloader())).clips[:, 0]).shape == (4, 12)


def test_the_number_of_classes_is_one_override(shapes_list: Path, tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text(f"{shapes_list}/a.mp4 4\n")
    cfg = composed("model=toy_vit", "data=list", f"data.root={tmp_path}", "data.num_classes=5", "data.image_size=32")
    assert build_classifier(cfg).head.linear.out_features == 5
    assert len(build_data(cfg).class_names) == 5


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.num_classes=5", "data.num_classes is 5, but MovingShapes in .* has 12 classes"),
        ("data.num_frames=0", "data.num_frames is 0, expected"),
        ("adapter.temporal=[0,77]", r"placement names blocks \[77\], but the encoder has blocks 0 to 3"),
        ("adapter.temporal=6:12", "expected one of all, even, first_half, last_half"),
        ("adapter.ratio=0.01", "adapter.ratio=0.01 of width 32 leaves no unit"),
        ("head.dropout=1.5", "head.dropout is 1.5"),
        ("optim.lr=-1", "optim.lr=-1"),
        ("loss.label_smoothing=2", "loss.label_smoothing is 2"),
        ("schedule.warmup_epochs=9", "schedule.warmup_epochs=9 is 45 steps, but the run has 5"),
        ("memory.checkpoint_blocks=9", "memory.checkpoint_blocks is 9, but the encoder has 4 blocks"),
        ("model.allow_random=false", "no pretrained weights"),
        ("model.weights=nowhere.pt", "nowhere.pt"),
        ("batch.per_step=0", "batch.per_step is 0, expected a whole number, at least 1"),
        ("data.num_frames=abc", "data.num_frames is abc, expected a whole number"),
        ("data.image_size=41", "41x41 pixels are no whole number of 8x8 patches"),
        ("data.num_workers=-1", "data.num_workers is -1"),
        ("data.max_videos=0", "data.max_videos is 0"),
        ("trainer.max_epochs=-1", "trainer.max_epochs is -1 and max_steps -1"),
        ("optim.betas=[0.9]", r"optim.betas is \[0.9\]"),
        ("batch.per_step=abc", "batch.per_step is abc, expected a whole number"),
        ("seed=-1", "seed is -1"),
        ("+trainer.accumulate_grad_batches=2", "trainer.accumulate_grad_batches cannot be set: it follows from batch"),
        ("+trainer.limit_train_batches=3", "data.max_videos=N takes fewer videos"),
    ],
)
def test_impossible_values_end_in_one_clear_message(
    shapes: list[str], tmp_path: Path, override: str, message: str
) -> None:
    with pytest.raises(UserError, match=message), explained():
        run(tmp_path, *shapes, override)


@pytest.mark.slow
def test_every_epoch_shows_the_same_videos_in_another_order_as_other_clips(
    shapes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[list[int], float]] = []
    step = ActionModule.training_step

    def watched(self: ActionModule, batch: Batch, batch_idx: int) -> torch.Tensor:
        seen.append((batch.indices.tolist(), float(batch.clips.float().mean())))
        return step(self, batch, batch_idx)

    monkeypatch.setattr(ActionModule, "training_step", watched)
    run(tmp_path, *shapes, "trainer.max_epochs=3", "test=false", "data.num_workers=1")
    epochs = [seen[:9], seen[9:18], seen[18:]]
    orders = [[video for videos, _ in epoch for video in videos] for epoch in epochs]
    assert [sorted(order) for order in orders] == [list(range(36))] * 3
    assert len({tuple(order) for order in orders}) == 3
    assert len({mean for _, mean in seen}) == 27


@pytest.mark.slow
def test_activation_checkpointing_changes_nothing_but_memory(shapes: list[str], tmp_path: Path) -> None:
    plain = [*shapes, "test=false", "adapter.drop_path=0.3"]
    run(tmp_path / "kept", *plain)
    run(tmp_path / "recomputed", *plain, "memory.checkpoint_blocks=3")
    recomputed, kept = (load(tmp_path / name)["state_dict"] for name in ("recomputed", "kept"))
    torch.testing.assert_close(recomputed, kept, rtol=0, atol=0)


@pytest.mark.slow
def test_accumulation_changes_nothing_but_memory(shapes: list[str], tmp_path: Path) -> None:
    plain = [*shapes, "test=false", "head.dropout=0", "adapter.drop_path=0"]
    run(tmp_path / "whole", *plain, "batch.per_device=8")
    run(tmp_path / "parts", *plain, "batch.per_device=2")
    losses = [pd.read_csv(tmp_path / name / "metrics.csv")["train/loss"].dropna() for name in ("whole", "parts")]
    assert losses[1].to_numpy() == pytest.approx(losses[0].to_numpy(), abs=rounding(2 * 4 * BLOCK, losses[0].max()))


def test_mixed_precision_trains(shapes: list[str], tmp_path: Path) -> None:
    run(tmp_path, *shapes, "trainer.precision=bf16-mixed", "test=false")
    assert pd.read_csv(tmp_path / "metrics.csv")["train/loss"].dropna().between(1, 4).all()
    assert {v.dtype for v in load(tmp_path)["state_dict"].values()} == {torch.float32}


def test_training_takes_the_threads_that_it_is_given(
    shapes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, seen, step = torch.get_num_threads(), set(), ActionModule.training_step

    def counting(self: ActionModule, batch: Batch, batch_idx: int) -> torch.Tensor:
        seen.add(torch.get_num_threads())
        return step(self, batch, batch_idx)

    monkeypatch.setattr(ActionModule, "training_step", counting)
    run(tmp_path, *shapes, "data.max_videos=8", "test=false", f"threads={before + 1}")
    assert seen == {before + 1}
    assert torch.get_num_threads() == before
    with pytest.raises(ValueError, match=r"threads is 0, expected at least 1, or null"):
        run(tmp_path / "none", *shapes, "threads=0")
